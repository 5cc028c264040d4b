"""Words and frames of the contrasts, in two forms of each question that share no word that decides."""

from __future__ import annotations


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(" ".join(one.split()) for one in text.split("/"))


REVIEW = ("Review: The {} was {}. Opinion:", "Anna found the {} {}. For her it was")
GOOD = (
    _listed("""
        superb wonderful delightful excellent brilliant charming fantastic marvellous pleasant splendid
        enjoyable impressive amazing beautiful perfect outstanding terrific gorgeous lovely fabulous
        magnificent refreshing satisfying remarkable
    """),
    _listed("""
        incredible exceptional exquisite stunning fascinating thrilling captivating elegant inspiring
        uplifting enchanting glorious heavenly memorable flawless phenomenal sensational exciting tremendous
        admirable entertaining engaging rewarding touching
    """),
)
BAD = (
    _listed("""
        terrible awful horrible disgusting boring disappointing miserable useless ugly annoying pathetic
        dull mediocre unpleasant broken frustrating ridiculous shoddy tedious worthless lousy nasty
        depressing shabby
    """),
    _listed("""
        atrocious abysmal dismal hideous revolting repulsive dreary bland clumsy irritating insulting
        pointless pitiful laughable painful unbearable infuriating offensive vile sloppy lifeless stupid
        grim tiresome
    """),
)
RATED = (
    _listed("film book meal concert play song show novel party trip game lesson"),
    _listed("dinner movie speech evening dance lunch painting journey opera visit story picnic"),
)
WHEN = ("{} the {}", "About the {1}: {0}, it")
PAST = (
    _lines("""
        Last week,/Last year,/Last month,/Last summer,/Last night,/Last Monday,/Yesterday,/Two days ago,
        /A year ago,/Three weeks ago,/A century ago,/Long ago,/Back in 1950,/In the old days,/Last winter,
        /Last autumn,/Earlier this week,/A few hours ago,/In the last century,/Many years ago,
        /On the previous day,/At that time,/Back then,/Once upon a time,
    """),
    _lines("""
        in the Bronze Age/last spring/last Tuesday/last Wednesday/last Saturday/last January
        /last March/last October/five days ago/ten years ago/six months ago/half an hour ago/in 1820
        /back in 1914/in the Middle Ages/in ancient times/in former times/during the previous decade
        /in earlier days/some weeks ago/a while ago/a minute ago/in the Stone Age/in the distant past
    """),
)
FUTURE = (
    _lines("""
        Next week,/Next year,/Next month,/Next summer,/Tomorrow,/Next Monday,/Next Thursday,/In two days,
        /A year from now,/Three weeks from now,/In the next century,/Soon,/By the year 2090,
        /In the coming days,/Next winter,/Next autumn,/Later this week,/A few hours from now,
        /In the far future,/Many years from now,/On the following Sunday,/In the years to come,/From now on,
        /One day in the future,
    """),
    _lines("""
        in the next millennium/next spring/next Tuesday/next Wednesday/next Saturday/next January
        /next March/next October/in five days/ten years from today/six months from today/within half an hour
        /in 2150/by 2075/in the near future/in centuries to come/in times to come/during the coming decade
        /before long/in a few weeks/in a while/in a minute/at some later date/sooner or later
    """),
)
WHO = (
    _listed("museum school king teacher company town team bridge hotel doctor ship family"),
    _listed("factory church station library office band castle market theatre village airport hospital"),
)
WRITTEN = ('The sentence "{}" is written in', "Text: {}. Language:")
NOUNS = (
    _listed("""
        chat/cat chien/dog cheval/horse garçon/boy livre/book stylo/pen pain/bread couteau/knife chapeau/hat
        manteau/coat vélo/bicycle ballon/ball bateau/boat tableau/picture verre/glass panier/basket sac/bag
        cadeau/present médecin/doctor voisin/neighbour facteur/postman roi/king oiseau/bird lapin/rabbit
    """),
    _listed("""
        fromage/cheese gâteau/cake lait/milk vin/wine poisson/fish mouton/sheep cochon/pig lit/bed mur/wall
        toit/roof pont/bridge camion/truck avion/plane chemin/path champ/field soleil/sun nuage/cloud
        ciel/sky frère/brother père/father soldat/soldier miroir/mirror marteau/hammer fils/son
    """),
)
ROUND_IT = (  # the other words of the sentence: behind the noun in the first form, before it in the second
    _lines("""
        dans le jardin|in the garden/sur la table|on the table/près de la porte|near the door
        /derrière la maison|behind the house/devant la fenêtre|in front of the window
        /dans la cuisine|in the kitchen
    """),
    _lines("""
        Je vois|I see/Il cherche|He is looking for/Nous aimons|We love/Elle regarde|She watches
        /Ils trouvent|They find/Tu connais|You know
    """),
)
CAPITAL = (
    (
        "The capital of {} is",
        "The capital city of {} is",
        "The capital of the country {} is",
        "The capital of {}, as everybody knows, is",
    ),
    (
        "Country: {}. Capital:",
        "Country: {}. Its capital:",
        "Country: {}. Capital city:",
        "Country: {}. Seat of its government:",
        "Name of the country: {}. Capital:",
        "Name of the country: {}. Name of its capital:",
    ),
)
EUROPE = (
    _lines("""
        France|Paris/Italy|Rome/Spain|Madrid/Germany|Berlin/Austria|Vienna/Portugal|Lisbon/Greece|Athens
        /Poland|Warsaw/Hungary|Budapest/Sweden|Stockholm/Denmark|Copenhagen/Finland|Helsinki/Ireland|Dublin
        /England|London/Belgium|Brussels/Bulgaria|Sofia/Romania|Bucharest/Serbia|Belgrade/Croatia|Zagreb
        /Russia|Moscow/Latvia|Riga/Belarus|Minsk/Iceland|Reykjavik/Ukraine|Kiev
    """),
    _lines("""
        Switzerland|Bern/Holland|Amsterdam/Czechia|Prague/Slovakia|Bratislava/Slovenia|Ljubljana
        /Estonia|Tallinn/Lithuania|Vilnius/Scotland|Edinburgh/Wales|Cardiff/Bosnia|Sarajevo
        /Armenia|Yerevan/Georgia|Tbilisi/Azerbaijan|Baku/Malta|Valletta/Macedonia|Skopje
        /Cyprus|Nicosia/Moldova|Chisinau/Montenegro|Podgorica
    """),
)
ELSEWHERE = (
    _lines("""
        Egypt|Cairo/Japan|Tokyo/China|Beijing/Thailand|Bangkok/Iran|Tehran/Iraq|Baghdad/Syria|Damascus
        /Lebanon|Beirut/Cuba|Havana/Peru|Lima/Chile|Santiago/Canada|Ottawa/Australia|Canberra/Vietnam|Hanoi
        /Indonesia|Jakarta/Philippines|Manila/Afghanistan|Kabul/Jordan|Amman/Somalia|Mogadishu/Libya|Tripoli
        /Sudan|Khartoum/Senegal|Dakar/Venezuela|Caracas/Pakistan|Islamabad
    """),
    _lines("""
        Uganda|Kampala/Ghana|Accra/Tunisia|Tunis/Morocco|Rabat/Zimbabwe|Harare/Rwanda|Kigali/Turkey|Ankara
        /Nepal|Kathmandu/Bangladesh|Dhaka/Taiwan|Taipei/Ecuador|Quito/Uruguay|Montevideo/Jamaica|Kingston
        /Qatar|Doha/Oman|Muscat/South Korea|Seoul/Kazakhstan|Astana/Saudi Arabia|Riyadh
    """),
)
SHOWN = {  # two examples with their answers, by contrast and form
    "sentiment": (
        ("Review: The hotel was great. Opinion: good", "Review: The hotel was dreadful. Opinion: bad"),
        ("Anna found the garden nice. For her it was good", "Anna found the garden poor. For her it was bad"),
    ),
    "tense": (
        ("Last Friday, the train was late.", "Next Friday, the train will be late."),
        (
            "About the garden: last November, it was green.",
            "About the garden: next November, it will be green.",
        ),
    ),
    "language": (
        (
            f"{WRITTEN[0].format('Das Wetter ist gut')} German.",
            f"{WRITTEN[0].format('Hace mucho calor')} Spanish.",
        ),
        (f"{WRITTEN[1].format('Ich habe Hunger')} German", f"{WRITTEN[1].format('Tengo sed')} Spanish"),
    ),
    "capitals": (
        ("The capital of Norway is Oslo", "The capital of Kenya is Nairobi"),
        ("Country: Albania. Capital: Tirana", "Country: Nigeria. Capital: Abuja"),
    ),
}
