"""How the scripted doctor reads a report in words: whether it is abnormal, and which diseases it speaks for.

The phrases are those of textbooks: what radiologists and cardiologists write of each disease.
"""

import re
from functools import cache, lru_cache

from clinicenv.clinic.differential import diseases

_SENTENCE = re.compile(r"(?:[^.;\n]|\.(?=\d))+")
_HEALTHY = re.compile(
    r"\b(?:normal|clear|unremarkable|no|not|nor|without|negative|none|intact|preserved|patent|healthy|fully"
    r"|freely|well|smooth)\b",
    re.IGNORECASE,
)
_NO = re.compile(r"\b(?:no|not|nor|without)\b")
_BUT = re.compile(r"\b(?:but|however|although|with)\b")
_PHRASES = {
    "Pulmonary embolism": r"filling defect|emboli|mismatch|right (?:heart|ventric\w+) strain|s1q3t3",
    "Pneumonia": r"consolidat|air bronchogram|infiltrate|airspace (?:shadow|opaci)",
    "Pneumothorax": r"pneumothora|pleural line|lung edge|lungs?\b.{0,20}expanded|absent lung markings",
    "Acute coronary syndrome": r"regional wall motion|q waves|occlu\w+ of the .*coronary|convex st|culprit",
    "Acute pericarditis": (
        r"pericard|fluid around the heart|concave st|saddle|pr (?:segment )?depress|widespread st elevation"
        r"|pr segment"
    ),
    "Aortic dissection": r"dissect|intimal flap|\bflap\b|false lumen|wid\w+ mediastin|mediastin\w+.{0,15}wid",
    "Heart failure": (
        r"pulmonary (?:oedema|edema|congestion)|kerley|reduced ejection|enlarged heart|cardiomegaly"
        r"|heart\b.{0,12}enlarged|upper lobe diversion"
    ),
    "Lung cancer": r"spiculat|\bmass\b",
    "Tuberculosis": r"cavit(?:y|ies|ation)|upper lobe (?:shadow|infiltrat|opaci)|miliary|acid-fast",
    "Intussusception": r"target sign|target lesion|doughnut|bowel within bowel|telescop|intussus",
    "Pyloric stenosis": r"pylor\w+.{0,30}(?:thick|long|elongat)|(?:thick|long|elongat)\w*.{0,20}pylor",
    "Appendicitis": r"(?:thick|dilat|swollen|inflam)\w*.{0,20}appendix|appendix.{0,30}(?:thick|dilat)",
    "Cholecystitis": r"gallbladder wall|gallstone|murphy",
    "Ectopic pregnancy": r"adnexal (?:mass|ring)|empty uterus|free fluid in the pelvis",
    "Giant cell arteritis": r"\bhalo\b|giant cell|elastic lamina",
    "Subarachnoid haemorrhage": r"subarachnoid|blood in the (?:cisterns|sulci)|xanthochrom",
    "Stroke": r"infarct|ischaemic change|restricted diffusion|dense (?:middle|artery|vessel)",
    "Brain tumour": r"\bmass\b|enhancing lesion|space-occupying|midline shift|vasogenic",
    "Multiple sclerosis": r"periventricular|demyelinat|oligoclonal bands",
    "Coeliac disease": r"vill(?:ous|us|i)\b.{0,20}(?:atroph|blunt|flat)|crypt hyperplasia",
    "Primary adrenal insufficiency": r"adrenal",
    "Secondary syphilis": r"treponem|plasma cells",
    "Infectious mononucleosis": r"atypical lymphocytes|heterophile",
    "Myasthenia gravis": r"decrement|thymoma|thymic",
    "Guillain-Barre syndrome": r"albuminocytolog|demyelinating neuropathy|conduction block",
}


@lru_cache(maxsize=2048)
def looks_abnormal(text: str) -> bool:
    """Whether a report has a sentence that neither denies something nor calls something healthy."""
    return any(not _HEALTHY.search(s) for s in _SENTENCE.findall(text) if s.strip())


@lru_cache(maxsize=2048)
def spoken_for(text: str) -> tuple[tuple[str, bool], ...]:
    """The diseases that a report names or describes, and whether it affirms them; sentence by sentence."""
    found: dict[str, bool] = {}
    for sentence in _SENTENCE.findall(text.lower()):
        for name, words in _patterns():
            hit = words.search(sentence)
            if hit:
                found[name] = _affirmed(sentence, hit) or found.get(name, False)
    return tuple(sorted(found.items()))


def _affirmed(sentence: str, hit: re.Match[str]) -> bool:
    """Whether no "no" stands before the phrase, and no word for health in its part of the sentence."""
    before = sentence[: hit.start()]
    if _NO.search(_BUT.split(before)[-1]):
        return False
    start, end = before.rfind(",") + 1, sentence.find(",", hit.end())
    return not _HEALTHY.search(sentence[start : end if end >= 0 else len(sentence)])


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """By disease: its phrases and its names, but for what also are plain words, as in "ST depression"."""
    known = []
    for one in diseases():
        names = [] if one.specialty == "psychiatry" else [one.name, *one.synonyms]
        words = [re.escape(n.lower()) for n in names if len(n) > 4]
        if one.name in _PHRASES:
            words.append(_PHRASES[one.name])
        if words:
            known.append((one.name, re.compile("|".join(words))))
    return tuple(known)
