"""What in a picture file tells who, when or where: the names of its tags and parts, never their values.

DICOM: the attributes that the basic profile of PS3.15 annex E (table E.1-1) removes or replaces, found at
any depth: every person's name, date, time and application title by its kind, the rest by name; private
groups, overlays, embedded thumbnails and documents, a preamble that is not empty, and the file's own word
that text is burnt in. Left out are UIDs, which every file has, de-identified or not, and which name no one
without the archive that they come from. Exif: every tag but those on a list of technical ones. PNG and
JPEG: every part that holds text or a second picture.

Sources: DICOM PS3.15 annex E and PS3.6; Exif 2.32; W3C PNG (third edition) 11.3; ITU-T T.81 annex B; JFIF
1.02. Imports Pillow and pydicom.
"""

import struct
from collections.abc import Iterator

from PIL import ExifTags, Image
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from clinicenv.pictures.dicom import items, parsed
from clinicenv.pictures.limits import jpeg_segments, png_chunks

_LARGEST = 2**20
"""Bytes of a sequence that is looked into; a longer one is named itself."""

_DEEPEST = 8
"""Sequences within sequences that are looked into; the standard's own nest four deep."""

_KINDS = {"PN", "DA", "DT", "TM", "AE"}
"""Value representations that identify whatever they are for: names, dates, times, application titles."""

_IDENTIFYING_WORDS = """
AccessionNumber AcquisitionComments AcquisitionProtocolDescription AdditionalPatientHistory AddressTrial
AdmissionID AdmittingDiagnosesDescription Allergies AuthorObserverSequence BranchOfService
BurnedInAnnotation CassetteID CommentsOnThePerformedProcedureStep
ConfidentialityConstraintOnPatientDataDescription ContainerIdentifier
ContentCreatorIdentificationCodeSequence ContrastBolusAgent ContributionDescription CountryOfResidence
CurrentPatientLocation CustodialOrganizationSequence DataSetTrailingPadding DerivationDescription DetectorID
DeviceDescription DeviceLabel DeviceSerialNumber DigitalSignaturesSequence DischargeDiagnosisDescription
EncapsulatedDocument EthnicGroup FillerOrderNumberImagingServiceRequest FrameComments GantryID GeneratorID
GraphicAnnotationSequence IconImageSequence IdentifyingComments ImageComments ImagePresentationComments
ImagingServiceRequestComments Impressions InstitutionAddress InstitutionCodeSequence InstitutionName
InstitutionalDepartmentName InstitutionalDepartmentTypeCodeSequence InsurancePlanIdentification
InterpretationDiagnosisDescription InterpretationText IssuerOfAdmissionID IssuerOfAdmissionIDSequence
IssuerOfPatientID IssuerOfServiceEpisodeID MAC MedicalAlerts MedicalRecordLocator MilitaryRank
ModifiedAttributesSequence Occupation OperatorIdentificationSequence OrderCallbackPhoneNumber
OrderCallbackTelecomInformation OrderEntererLocation OtherPatientIDs OtherPatientIDsSequence PatientAddress
PatientAge PatientComments PatientID PatientInstitutionResidence PatientInsurancePlanCodeSequence
PatientPrimaryLanguageCodeSequence PatientReligiousPreference PatientSex PatientSexNeutered PatientSize
PatientState PatientTelecomInformation PatientTelephoneNumbers PatientTransportArrangements PatientWeight
PerformedLocation PerformedProcedureStepDescription PerformedProcedureStepID PersonAddress
PersonIdentificationCodeSequence PersonTelecomInformation PersonTelephoneNumbers
PlacerOrderNumberImagingServiceRequest PlateID PreMedication PregnancyStatus PrivateInformation ProtocolName
ReasonForStudy ReasonForTheImagingServiceRequest ReasonForTheRequestedProcedure RecognizableVisualFeatures
ReferringPhysicianAddress ReferringPhysicianIdentificationSequence ReferringPhysicianTelephoneNumbers
RegionOfResidence RequestAttributesSequence RequestedContrastAgent RequestedProcedureComments
RequestedProcedureDescription RequestedProcedureID RequestedProcedureLocation RequestingService
ResponsibleOrganization ResultsComments ResultsDistributionListSequence ResultsID
ScheduledPatientInstitutionResidence ScheduledProcedureStepDescription ScheduledProcedureStepID
ScheduledProcedureStepLocation ScheduledStationName SeriesDescription ServiceEpisodeDescription
ServiceEpisodeID SmokingStatus SpecialNeeds SpecimenIdentifier StationName StudyComments StudyDescription
StudyID TextComments TextString TextValue TimezoneOffsetFromUTC UniqueDeviceIdentifier VisitComments
"""
_NAMED = frozenset(_IDENTIFYING_WORDS.split())

_HARMLESS_IF = {"BurnedInAnnotation": b"NO", "RecognizableVisualFeatures": b"NO"}
"""Answers that clear a picture rather than accuse it."""

_TECHNICAL_WORDS = """
ImageWidth ImageLength BitsPerSample Compression PhotometricInterpretation Orientation SamplesPerPixel
PlanarConfiguration YCbCrSubSampling YCbCrPositioning XResolution YResolution ResolutionUnit
TransferFunction WhitePoint PrimaryChromaticities YCbCrCoefficients ReferenceBlackWhite ExifOffset
ExifVersion FlashPixVersion ComponentsConfiguration CompressedBitsPerPixel ColorSpace Gamma ExifImageWidth
ExifImageHeight ExifInteroperabilityOffset InteropIndex InteropVersion ExposureTime FNumber ExposureProgram
ISOSpeedRatings ShutterSpeedValue ApertureValue BrightnessValue ExposureBiasValue MaxApertureValue
SubjectDistance MeteringMode LightSource Flash FocalLength SensingMethod FileSource SceneType CustomRendered
ExposureMode WhiteBalance DigitalZoomRatio FocalLengthIn35mmFilm SceneCaptureType GainControl Contrast
Saturation Sharpness
"""
_TECHNICAL = frozenset(_TECHNICAL_WORDS.split())
"""Exif tags that say how a picture was taken and lies, and not by whom, when or where."""


def dicom(data: bytes) -> set[str]:
    """Keywords of identifying elements that have a value, and the file's identifying parts."""
    _, meta, elements = parsed(data)
    preamble = {"Preamble"} if any(data[:128]) else set[str]()
    return preamble.union(_in_elements(meta, 0), _in_elements(elements, 0))


def _in_elements(ds: Dataset, depth: int) -> Iterator[str]:
    for element in list(ds.elements()):
        tag = element.tag
        content = element.value if isinstance(element.value, bytes) else None
        empty = not element.length if isinstance(element, RawDataElement) else element.is_empty
        if empty or (content is not None and not content.strip(b" \0")):
            continue
        if tag.is_private:
            yield f"private tags of group {tag.group:04X}"
            continue
        if tag.group & 0xFF00 in (0x5000, 0x6000):
            yield f"{'Curve' if tag.group < 0x6000 else 'Overlay'} {tag.group:04X}"
            continue
        keyword = keyword_for_tag(tag) or str(tag)
        kind = _kind(tag) if element.VR in (None, "UN") else element.VR
        clears = (content or b"").strip(b" \0") == _HARMLESS_IF.get(keyword)
        if (kind in _KINDS or keyword in _NAMED) and not clears:
            yield keyword
        if kind == "SQ":
            if depth >= _DEEPEST or len(content or b"") > _LARGEST:
                yield f"{keyword} (not looked into)"
            else:
                yield from _in_sequence(element, depth)


def _in_sequence(element: RawDataElement | DataElement, depth: int) -> Iterator[str]:
    for item in items(element) if isinstance(element, RawDataElement) else element.value:
        yield from _in_elements(item, depth + 1)


def _kind(tag: BaseTag) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def png(data: bytes) -> set[str]:
    """Chunks with text, times or a second picture; what Exif tells; bytes after the end."""
    found, size = set[str](), 8
    for kind, chunk in png_chunks(data):
        size += len(chunk)
        if kind == b"eXIf":
            found.update(_exif(chunk[8:-4]))
        elif kind == b"iTXt" and chunk[8:].startswith(b"XML:com.adobe.xmp\0"):
            found.add("XMP")
        elif kind in (b"tEXt", b"zTXt", b"iTXt", b"tIME"):
            found.add(f"PNG {kind.decode('ascii')}")
        elif kind in (b"fdAT", b"fcTL"):
            found.add("PNG animation")
        elif kind not in _PNG_TECHNICAL:
            found.add("PNG chunk of an unknown kind")
    return found | ({"data after the picture"} if size < len(data) else set())


_PNG_TECHNICAL = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs sPLT acTL".split()
)


def jpeg(data: bytes) -> set[str]:
    """Segments with text or a second picture; what Exif tells; bytes after the end."""
    found, at = set[str](), 2
    for marker, content, end in jpeg_segments(data):
        found.update(_in_segment(marker, content))
        at = end
    last = data.find(b"\xff\xd9", at)
    return found | ({"data after the picture"} if 0 <= last < len(data) - 2 else set())


def _in_segment(marker: int, content: bytes) -> Iterator[str]:
    if marker == 0xFE:
        yield "JPEG comment"
    elif marker == 0xE1 and content.startswith(b"Exif\0"):
        yield from _exif(content)
    elif marker == 0xE1 and content.startswith(b"http://ns.adobe.com/x"):
        yield "XMP"
    elif marker == 0xED and content.startswith(b"Photoshop"):
        yield "IPTC"
    elif marker == 0xE0 and (content.startswith(b"JFXX") or content[12:14].strip(b"\0")):
        yield "JPEG thumbnail"
    elif marker == 0xE2 and content.startswith(b"MPF\0"):
        yield "JPEG list of further pictures"
    elif 0xE0 <= marker <= 0xEF and not content.startswith((b"JFIF\0", b"ICC_PROFILE\0", b"Adobe")):
        yield f"JPEG APP{marker - 0xE0}"


def _exif(content: bytes) -> Iterator[str]:
    """Names of the tags that are not merely technical; what cannot be read is named as a whole."""
    exif = Image.Exif()
    try:
        exif.load(content if content.startswith(b"Exif\0\0") else b"Exif\0\0" + content)
        tags = {*exif, *exif.get_ifd(ExifTags.IFD.Exif)}
        places = exif.get_ifd(ExifTags.IFD.GPSInfo)
        second = exif.get_ifd(ExifTags.IFD.IFD1)
    except (SyntaxError, ValueError, KeyError, IndexError, TypeError, OSError, struct.error):
        yield "EXIF that cannot be read"
        return
    for tag in tags:
        name = ExifTags.TAGS.get(tag, f"0x{tag:04X}")
        if name not in _TECHNICAL and tag != ExifTags.IFD.GPSInfo:
            yield f"EXIF {name}"
    if places:
        yield "EXIF GPSInfo"
    if second:
        yield "EXIF thumbnail"
