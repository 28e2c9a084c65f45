"""Gymnasium environments. Importing this package registers them:

* `clinicenv/Consultation-v0`: text in, text out, scripted roles; the same seed gives the same episode;
* `clinicenv/ModelConsultation-v0`: the same for casts with language models, which promise no such thing.

`gymnasium.make("clinicenv.envs:clinicenv/Consultation-v0")` imports it on its own.
"""

try:
    import gymnasium
except ImportError as e:
    raise ImportError("the environments need gymnasium: pip install 'clinicenv[gym]'") from e


def _register(name: str, nondeterministic: bool) -> None:
    if name not in gymnasium.registry:
        gymnasium.register(
            name,
            entry_point="clinicenv.envs.text:ConsultationEnv",
            vector_entry_point="clinicenv.envs.vector:ConsultationVectorEnv",
            nondeterministic=nondeterministic,
        )


_register("clinicenv/Consultation-v0", nondeterministic=False)
_register("clinicenv/ModelConsultation-v0", nondeterministic=True)
