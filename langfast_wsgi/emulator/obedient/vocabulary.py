"""Words that are never values: grammar, politeness, and the verbs requests begin with."""


def listed(words: str) -> frozenset[str]:
    """Return the words of a list that is written as text, which reads better than quotes."""
    return frozenset(words.split())


IDLE = listed("""
    a about above after again all also am an and another any are as ask at be because been
    before being below between both but by can cannot could did do does doing done down during
    each either else every few for from further had has have having he hello her here hers hey
    hi him his how i if in into is it its itself just let let's lets like may maybe me might
    more most much must my neither no none nor not now of off ok okay on once one only or other
    our ours out over own per please same shall she should since so some such than thank thanks
    that the their theirs them then there these they this those through to too under until up
    upon us use using very was we were what what's whats when where where's whether which while
    who who's whom whose why will with within without would yes yet you your yours i'm i'd i'll
    i've it's isn't don't doesn't can't
    add answer apply book bring build calculate call change check choose compare compute
    conform convert count create define delete describe display draw emit explain extract fetch
    fill find follow format generate get give go help invoke keep know list look lookup make
    move multiply name open order output pick plan play produce provide put query quote read
    remember remove reply report request respond return run save say schedule search see
    select send set show solve sort start stop subtract sum summarise summarize take tell
    translate try turn update want wants write need needs
    assign buy cancel decrease email fly greet hire increase introduce invite log mail meet message
    pay ping record register remind reserve rate sell sign switch text transfer travel visit welcome
    key keys object field fields value values valid properties
    json schema tool tools function functions exactly
""")

# Words that join capitalised ones into one name: Rio de Janeiro, Bank of England.
JOINING = listed("of de la del da do dos van von di der")

DENYING = listed("no not without false off never disable disabled don't dont neither nor isn't")
