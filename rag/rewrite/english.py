"""The small words of English: which point at something said before, which say nothing by themselves."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


POINTING = _set("it its they them their theirs he him his she her hers")
"""They stand for something named before, in the same question or in an earlier one."""
SHOWING = _set("this that these those there")
"""They do, too, where no noun follows them."""

ASKING = _set("what who whom whose which when where why how")
AUXILIARY = _set(
    "is are was were be been being am do does did done has have had having can could will would shall "
    "should may might must"
)
PREPOSITIONS = _set(
    "about above across after against along among around as at before behind below beside besides between "
    "by despite down during except for from in inside into like near of off on onto out outside over per "
    "since than through throughout to toward towards under until up upon via with within without"
)
JOINING = _set("and or but if when while because although that who which whose as than")
"""What comes after them may mean what came before."""
FUNCTION = (
    POINTING
    | SHOWING
    | ASKING
    | AUXILIARY
    | PREPOSITIONS
    | _set(
        "a an the and or but nor so yet if then else because while though although whether not no yes also "
        "too very just only even still again ever never always here now i me my mine you your yours we us "
        "our ours one ones some any each every all both either neither none other others another such same "
        "more most less least few fewer much many several own quite rather almost enough s t d ll re ve m "
        "don didn doesn isn aren wasn weren won wouldn couldn shouldn haven hasn hadn please"
    )
)
"""Words that name no thing."""

LIGHT = _set(
    "ask asking call called cause causes clarify compare consider considered describe detail details "
    "difference differences different else example examples explain famous find first give go going "
    "good happen happened happens help important information instance kind kinds know last list long look "
    "make makes mean meaning means mention name names need old popular possible provide reason reasons say "
    "second see show similar sort speak speaking talk talking tell thing things think time times true type "
    "types understand use used want wanted way ways work worked works year years"
)
"""Words that name something, but no topic that a question could be about by them alone."""

OPENINGS = (
    ("and",),
    ("or",),
    ("but",),
    ("also",),
    ("then",),
    ("what", "about"),
    ("how", "about"),
    ("why", "not"),
    ("how", "so"),
    ("any", "other"),
    ("any", "more"),
    ("anything", "else"),
    ("anyone", "else"),
)
"""A question that begins so goes on with an earlier one."""

NOT_POINTED_AT = _set(
    "week weeks month months year years day days morning evening afternoon night century decade moment time "
    "season summer winter spring autumn"
)
"""After "this" or "these" they are a time, which nothing needs to have been said for."""
WEATHER = _set("rain rains raining rained snow snows snowing snowed freeze freezes cold hot dark late")
