"""Words and set phrases of the English templates, by domain and polarity."""

NOUNS = {
    "food": """
        food | pizza | soup | burger | salad | dessert | coffee | wine | meal | breakfast |
        lunch | dinner | cake | sauce | menu | restaurant | cafe""",
    "people": """
        staff | waiter | waitress | service | manager | owner | driver | doctor | teacher |
        support | team | host | guide | crew | customer service""",
    "place": """
        hotel | room | bathroom | beach | location | view | pool | museum | city | apartment |
        lobby | garden | park | shop | bar | bed""",
    "thing": """
        phone | battery | screen | camera | laptop | keyboard | speaker | sound | printer | car
        | watch | bag | dress | shoes | chair | charger | headphones | product | quality | price
        | fan | toy | shirt | vacuum | tablet""",
    "story": """
        movie | film | plot | story | book | novel | ending | acting | script | dialogue | show
        | series | episode | song | album | music | game | characters | director | cast |
        performance | concert | play | scene | jokes""",
    "other": """
        app | website | update | delivery | order | package | weather | trip | day | flight |
        experience | idea | design | course | lesson | answer | interface | party | plan |
        result | visit | journey | seat | traffic | meeting | job""",
}
POSITIVE = {
    "any": """
        good | great | excellent | amazing | wonderful | fantastic | awesome | perfect | lovely
        | nice | superb | brilliant | impressive | outstanding | pleasant | enjoyable | terrific
        | decent | fine | beautiful | incredible | delightful | best | very good | satisfying |
        solid | remarkable | fabulous | magnificent | special | worthwhile | marvelous""",
    "food": """
        delicious | tasty | fresh | hot and fresh | flavorful | yummy | cheap and good""",
    "people": """
        friendly | helpful | polite | kind | attentive | professional | caring | quick | honest
        | patient | welcoming""",
    "place": """
        clean | comfortable | quiet | cozy | spacious | charming | spotless | relaxing |
        convenient | sunny""",
    "thing": """
        reliable | fast | sturdy | comfortable | useful | sharp | bright | durable | affordable
        | elegant | fair | easy to use | well made""",
    "story": """
        funny | interesting | moving | clever | exciting | gripping | touching | hilarious |
        smart | entertaining | original | engaging | powerful | thrilling | heartwarming |
        convincing | honest | charming | fun""",
    "other": """
        easy | smooth | helpful | quick | useful | fun | simple | interesting | on time | fast |
        clear | intuitive""",
}
NEGATIVE = {
    "any": """
        bad | terrible | awful | horrible | poor | disappointing | mediocre | dreadful | worst |
        useless | annoying | pathetic | lousy | unpleasant | ugly | atrocious | unacceptable |
        disgusting | ridiculous | weak | frustrating | abysmal | appalling | a mess | a disaster
        | a waste of money | very bad | a letdown | garbage | overrated""",
    "food": """
        cold | tasteless | bland | stale | salty | greasy | burnt | overpriced | soggy |
        undercooked | inedible | rotten""",
    "people": """
        rude | slow | unhelpful | lazy | unfriendly | careless | arrogant | incompetent |
        impatient | dishonest | unprofessional""",
    "place": """
        dirty | noisy | filthy | small and dark | crowded | smelly | uncomfortable | overpriced
        | run down | dangerous | cramped | moldy""",
    "thing": """
        broken | slow | cheaply made | flimsy | defective | unreliable | expensive | heavy |
        fragile | blurry | uncomfortable | overpriced | noisy | faulty | dead""",
    "story": """
        boring | dull | stupid | predictable | pointless | silly | confusing | tedious | slow |
        lifeless | forgettable | pretentious | unfunny | painful | shallow | flat | contrived |
        clumsy | too long""",
    "other": """
        late | confusing | slow | difficult | buggy | complicated | stressful | boring | wrong |
        damaged | pointless | painful | chaotic""",
}
# "+" positive, "-" negative; {N} is a noun with its article, {n} a bare noun of any domain.
PHRASES = """
+ i {love} {N}
- i {hate} {N}
- i did not {like} {N}
- i did not like {N} at all
- i do not {like} {N}
+ i would {adv}recommend {N} to anyone
- i would not recommend {N}
- i would not recommend {N} to anyone
- i can not recommend {N}
+ highly recommended
- i would never buy this {n} again
+ i would buy this {n} again
+ i will come back
- we will not come back
- i will never come back
+ we can not wait to come back
- stay away from this {n}
- avoid this {n}
- do not buy this {n}
- do not waste your time
+ do not miss this {n}
+ do not hesitate to buy this {n}
+ no complaints
+ i have no complaints
+ no complaints about {N}
+ no problems with {N}
+ we had no problems at all
+ no issues so far
+ nothing to complain about
+ there is nothing wrong with {N}
- there is nothing good about {N}
- {N} is nothing special
- {N} has no charm
+ {N} has no flaws
+ {N} is without any problems
- {N} lacks any charm
- {N} fails to impress
+ {N} never fails to impress
+ {N} never disappoints
+ {N} did not disappoint
+ {N} does not disappoint
- {N} disappointed me
- {N} disappointed us
+ i was not disappointed
- i was not happy with {N}
+ i am very happy with {N}
+ we are satisfied with {N}
- i was not impressed by {N}
+ i was impressed by {N}
- {N} does not work
- {N} did not work
- {N} stopped working after a week
- {N} broke after two days
+ {N} works perfectly
+ {N} works well
- {N} does not work as advertised
- {N} is not worth the money
+ {N} is worth the money
- not worth it
+ well worth the price
- {N} was a waste of time
- what a waste of money
+ {N} was not a waste of time
+ {N} could not be better
- {N} could not be worse
- {N} could be better
- it could not get any worse
+ i could not be happier with {N}
+ i could not have asked for more
+ {N} is better than i expected
- {N} is worse than i expected
- {N} is not as good as i expected
+ {N} is not as bad as people say
+ {N} exceeded my expectations
- {N} did not meet my expectations
- {N} left me cold
- i regret buying this {n}
+ i do not regret buying this {n}
- i want my money back
+ thank you for {N}
+ thanks , {N} made my day
+ {N} made me smile
- {N} made me angry
- {N} ruined my day
- never again
- i have seen better
+ this was the best {n} i have ever had
- this was the worst {n} i have ever had
+ one of the best
- {N} is one of the worst
+ i have never had a better {n}
- i have never had a worse {n}
- nobody liked {N}
+ everyone loved {N}
+ i can not complain about {N}
- {N} is too expensive
- {N} is too slow
- {N} is too loud
- {N} is too small
+ {N} is a pleasure
+ {N} is a joy
- {N} is a nightmare
- {N} is no good
- {N} is no fun
+ it is not that bad
+ not too bad
- not so good
- not my cup of tea
+ not bad
- not good
- not great , not terrible , just dull
+ i did not expect {N} to be this good
- i did not expect {N} to be this bad
"""
# Critics' adjectives: what reviews of films, books, plays and music say, and everyday lists lack.
CRITICS_POSITIVE = """
    absorbing | accomplished | acute | adroit | affecting | agile | alluring | ambitious | assured | astute |
    atmospheric | beguiling | bewitching | bold | bracing | breathtaking | buoyant | candid | captivating | cathartic |
    charismatic | cogent | compassionate | compelling | complex | confident | crackling | crisp | daring | dazzling |
    deft | delicate | delicious | disarming | droll | dynamic | ebullient | effervescent | effortless | electric |
    electrifying | eloquent | empathetic | enchanting | endearing | engrossing | enthralling | evocative | exacting |
    exhilarating | expert | expressive | exquisite | exuberant | faultless | fearless | fierce | finely tuned |
    first-rate | flawless | fresh | generous | gleeful | glittering | glorious | gorgeous | graceful | gracious |
    gutsy | harmonious | haunting | humane | hypnotic | illuminating | imaginative | immaculate | immersive |
    incisive | infectious | ingenious | insightful | inspired | intelligent | intimate | intricate | inventive |
    invigorating | irresistible | jaunty | joyful | joyous | jubilant | keen | kinetic | layered | likable | limber |
    literate | lively | lucid | luminous | luscious | lush | lustrous | lyrical | magical | magnetic | majestic |
    masterful | masterly | meaty | meticulous | mesmerizing | mischievous | nimble | nuanced | observant | offbeat |
    passionate | peerless | penetrating | perceptive | playful | poetic | poignant | polished | potent | precise |
    priceless | profound | provocative | pure | quirky | radiant | ravishing | refined | refreshing | resonant |
    rewarding | rich | riveting | robust | rollicking | rousing | scintillating | seamless | searing | seductive |
    seductively funny | sensitive | sharp | shimmering | sincere | skillful | sly | soaring | sophisticated |
    soulful | sparkling | spellbinding | spirited | splendid | spry | stellar | stirring | striking | stunning |
    stylish | sublime | subtle | sumptuous | supple | sweeping | sympathetic | tender | terse and exact |
    thoughtful | timeless | transcendent | transporting | triumphant | truthful | unforgettable | uplifting |
    uproarious | urbane | velvety | vibrant | virtuoso | visceral | vital | vivacious | vivid | warm-hearted |
    well observed | whimsical | winning | wise | wistful | witty | wondrous | wry | zesty | zippy"""
CRITICS_NEGATIVE = """
    amateurish | anemic | annoyingly loud | anticlimactic | arid | artificial | asinine | awkward | baffling | banal |
    barren | bloated | bombastic | botched | brainless | broad and coarse | butchered | cheesy | chintzy | cliched |
    clueless | clunky | coarse | contrived | corny | crass | creaky | crude | cumbersome | cynical | dated | deadening |
    derivative | desultory | dire | disjointed | dismal | dopey | dour | drab | drawn out | dreadful | dreary | droning |
    dumb | earthbound | embarrassing | empty | endless | excruciating | exhausting | facile | far-fetched | feeble |
    flabby | flaccid | flat-footed | flavorless | flimsy | formulaic | fussy | garbled | garish | generic | ghastly |
    glacial | glib | grating | grim and pointless | gratuitous | grotesque | hackneyed | half-baked | half-hearted |
    ham-fisted | hammy | haphazard | heavy-handed | hokey | hollow | humdrum | humorless | idiotic | implausible |
    inane | inauthentic | incoherent | indifferent | inept | inert | inferior | insipid | insufferable | insulting |
    interminable | invariably dull | irksome | irritating | jarring | jumbled | juvenile | labored | lackluster | lame |
    lazy | leaden | lethargic | lifeless | limp | listless | lumbering | lumpy | maudlin | mawkish | mechanical |
    meandering | meaningless | messy | mindless | mirthless | misguided | misjudged | monotonous | moronic | muddled |
    murky | nonsensical | numbing | obnoxious | obvious | off-key | one-note | overacted | overblown | overlong |
    overwrought | pallid | paper-thin | passionless | pedestrian | perfunctory | phony | plodding | pompous | ponderous |
    preachy | preposterous | puerile | rambling | ramshackle | rancid | recycled | repetitive | repugnant | ridiculous |
    robotic | rote | rushed | saccharine | sappy | schmaltzy | self-indulgent | shabby | shallow | shapeless | shoddy |
    shrill | simplistic | skimpy | slapdash | slipshod | sloppy | sluggish | smug | soggy | soporific | soulless |
    spiritless | stagnant | stale | stiff | stilted | stodgy | strained | stultifying | substandard | superficial |
    syrupy | tacky | tame | tasteless | tawdry | tepid | thin | threadbare | tiresome | tone-deaf | toneless | torpid |
    tortuous | trite | trivial | turgid | unbearable | unconvincing | undercooked | underwhelming | uneventful |
    unimaginative | uninspired | uninvolving | unoriginal | unwatchable | vacuous | vapid | vulgar | washed out |
    watery | wearisome | wearying | witless | woeful | wooden | worn out | worthless | wretched"""
# What a work does to its audience: the third person, then the base form.
VERBS_POSITIVE = """
    amuses/amuse | astonishes/astonish | beguiles/beguile | captivates/captivate | charms/charm | convinces/convince |
    dazzles/dazzle | delights/delight | delivers/deliver | elates/elate | enchants/enchant | engages/engage |
    entertains/entertain | enthralls/enthrall | excels/excel | excites/excite | fascinates/fascinate | flows/flow |
    impresses/impress | inspires/inspire | moves me/move me | pleases/please | satisfies/satisfy | shines/shine |
    soars/soar | sparkles/sparkle | succeeds/succeed | surprises me/surprise me | thrills/thrill | triumphs/triumph |
    touches the heart/touch the heart | comes to life/come to life | rings true/ring true | makes sense/make sense"""
VERBS_NEGATIVE = """
    annoys/annoy | bores/bore | collapses/collapse | confuses/confuse | crawls/crawl | disappoints/disappoint |
    drags/drag | fails/fail | falters/falter | falls apart/fall apart | falls flat/fall flat | fizzles/fizzle |
    flounders/flounder | flops/flop | frustrates/frustrate | grates/grate | gets lost/get lost | irritates/irritate |
    lets you down/let you down | loses its way/lose its way | meanders/meander | misfires/misfire | overreaches/overreach |
    plods/plod | rambles/ramble | sags/sag | sinks/sink | stalls/stall | stumbles/stumble | tires/tire | wears thin/wear thin |
    wastes its cast/waste its cast | runs out of steam/run out of steam | goes wrong/go wrong"""
