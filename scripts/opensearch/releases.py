"""What each version is made of: Maven coordinates and pinned SHA-256."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Artifact:
    coordinates: str
    """group:name:version:type"""
    sha256: str

    @property
    def file(self) -> str:
        _, name, version, kind = self.coordinates.split(":")
        return f"{name}-{version}.{kind}"


@dataclass(frozen=True)
class Module:
    """One that the base of this version lacks: its jars, and what its descriptor says."""

    name: str
    classname: str
    jars: tuple[Artifact, ...]
    extends: str = ""
    permissions: tuple[str, ...] = ()
    """`java.lang.RuntimePermission`s, under the security manager."""


@dataclass(frozen=True)
class Release:
    version: str
    java: tuple[int, int]
    """The lowest and the highest that it starts on."""
    java_best: int
    """The one that it was tried on."""
    base: Artifact
    plugins: tuple[Artifact, ...]
    """In the order in which they are installed."""
    modules: tuple[Module, ...] = ()
    secured: bool = False
    """TLS and users."""

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        return (self.base, *self.plugins, *(jar for module in self.modules for jar in module.jars))


def _base(version: str, sha256: str) -> Artifact:
    return Artifact(f"org.opensearch.distribution.integ-test-zip:opensearch:{version}:zip", sha256)


def _plugin(name: str, version: str, sha256: str, kind: str = "zip") -> Artifact:
    return Artifact(f"org.opensearch.plugin:{name}:{version}:{kind}", sha256)


def _asm(name: str, sha256: str) -> Artifact:
    return Artifact(f"org.ow2.asm:{name}:9.7:jar", sha256)


_PAINLESS = Module(
    "lang-painless",
    "org.opensearch.painless.PainlessPlugin",
    (
        _plugin(
            *("lang-painless", "2.19.1"),
            *("3cf5e02efa40ff5b88e74e1ab66a0bc462de3509fab4a6a4ffe90b8d13777a9a", "jar"),
        ),
        _plugin(
            *("opensearch-scripting-painless-spi", "2.19.1"),
            *("c2598797a5f6f897ce7e8d05f593ff96de3fbc56c52f299d63cddcae41556dda", "jar"),
        ),
        Artifact(
            "org.antlr:antlr4-runtime:4.13.1:jar",
            "54665d2838cc66458343468efc539e454fc95b46a8a04b13c6ac43fc9be63505",
        ),
        _asm("asm", "adf46d5e34940bdf148ecdd26a9ee8eea94496a72034ff7141066b3eea5c4e9d"),
        _asm("asm-analysis", "7bc6bcbc21379948a0c8c467fb0f864206e5b818f6bc0b546872f5c9f941556f"),
        _asm("asm-commons", "389bc247958e049fc9a0408d398c92c6d370c18035120395d4cba1d9d9304b7a"),
        _asm("asm-tree", "62f4b3bc436045c1acb5c3ba2d8ec556ec3369093d7f5d06c747eb04b56d52b1"),
        _asm("asm-util", "37a6414d36641973f1af104937c95d6d921b2ddb4d612c66c5a9f2b13fc14211"),
    ),
    permissions=("createClassLoader", "getClassLoader"),
)
_ANALYSIS = Module(
    "analysis-common",
    "org.opensearch.analysis.common.CommonAnalysisPlugin",
    (
        _plugin(
            *("analysis-common", "2.19.1"),
            *("13fdc1071af42946b13153a62491a5e9b0ad214d44f7c8153d3afef60f558821", "jar"),
        ),
    ),
    extends="lang-painless",
)
_MAPPERS = Module(
    "mapper-extras",
    "org.opensearch.index.mapper.MapperExtrasPlugin",
    (
        _plugin(
            *("mapper-extras-client", "2.19.1"),
            *("93e85f305ddc3070fea5b83cc8d962bdcd30df20638352b02cf57276cc2bc5d5", "jar"),
        ),
    ),
)

RELEASES = {
    release.version: release
    for release in (
        Release(
            "3.6.0",
            java=(21, 99),
            java_best=25,
            base=_base("3.6.0", "a91faa1dc1cadc78cb278b4f63847e19e1627a4e9de698e14e7efc14ee37b286"),
            plugins=(
                _plugin(
                    *("opensearch-knn", "3.6.0.0"),
                    "ac392ca28a39b3bf290648a422ef30cb149dda2963a9d7feb26060e932341c9a",
                ),
                _plugin(
                    *("neural-search", "3.6.0.0"),
                    "6ef1b206e79391e2e36268e32dc34d27fd8b8a59a8eb0a7393c97d53b038e433",
                ),
            ),
        ),
        Release(
            "2.19.1",
            java=(11, 23),  # it needs the security manager, which Java 24 took away
            java_best=17,
            base=_base("2.19.1", "af7152d8b7f6f1cee09d47276b32b70479fe6dd8cdbb61213f84eb7f8098b261"),
            plugins=(
                _plugin(
                    *("opensearch-knn", "2.19.1.0"),
                    "eab8c9818865bc035212eab5068cdacae164baa09d4c152f49b736d6f6b0e85c",
                ),
                _plugin(
                    *("neural-search", "2.19.1.0"),
                    "b17ca1d774692902c58cbae102bf463970740c31d81446866e8eabd336e285aa",
                ),
                _plugin(
                    *("opensearch-security", "2.19.1.0"),
                    "94a04f12ac6033902209fac1e4e512618d45beee604bbf0e42c3ed79c55220cf",
                ),
            ),
            modules=(_PAINLESS, _ANALYSIS, _MAPPERS),
            secured=True,
        ),
    )
}
