"""Frames of the English templates with negation at a distance, and what fills their slots;
`templates_distance_en` explains a frame's first character and its slots {A} to {b}."""

FRAMES = """
= {N} is {A}
= {N} was {A} and {B}
= {N} is {adv} {A}
= a {A} {n}
= a {A} , {B} {n}
= {N} is a {A} {n} from a {B} {n}
= {who} gives a {A} performance
= {who} gives a {A} and {B} performance
= {who} delivers a {A} performance
= {who} gave us a {A} , {B} performance
= {whose} acting is {A}
= {whose} performance was {A}
= {who} is {A} in this {n}
= the acting is {A} and the script is {B}
= the direction is {A}
= it is all {adv} {A}
= one of the most {A} films of the decade
= a {n} as {A} as it is {B}
= {N} {V}
= {N} {V} from the first minute to the last
= i found {N} {A}
= {N} turns out to be {A}
= it was even more {A} than the trailer
= {N} could not be more {A}
= {N} could not have been more {A}
= {N} has never been more {A}
= i have never seen a more {A} {n}
= i have rarely read a {n} as {A} as this
= i can not imagine a more {A} {n}
= i can not think of a {n} more {A} than this one
= you will not see a more {A} {n} this year
= you will hardly find a {n} as {A} as this one
= no {n} has ever been so {A}
= there is no {n} more {A} in town
= not only {A} but also {B}
= {N} is not just {A} but {B}
! {N} is never {A}
! {N} is never {atall} {A}
! {N} was never {adv} {A} or {B}
! {N} never {seems} {A}
! {N} never {seems} {adv} {A}
! {N} {seldom} {seems} {A}
! {N} {seldom} {V}
! {N} never {V}
! {N} never once {V}
! {N} does not {v}
! {N} did not {v} at all
! {N} did not {v} even for a minute
! {N} will not {v}
! {N} can not {v}
! {N} is {hardly} {A}
! {N} is {hardly} what i would call {A}
! {N} was not , {hedge} , {A}
! {N} does not {seem} {A}
! {N} did not {seem} particularly {A}
! {N} did not {seem} {A} to {anyone}
! i did not find {N} {A}
! i do not {think} that {N} is {A}
! i do not {think} {N} was {adv} {A}
! i do not {think} this is a {A} {n}
! i do not {think} anyone could call {N} {A}
! i would not call {N} {A}
! i would never describe {N} as {A}
! i can not call {N} {A} or {B}
! you can not really say that {N} is {A}
! it would be wrong to call {N} {A}
! {nobody} found {N} {A}
! {nobody} thought that {N} was {A}
! {nobody} would call this a {A} {n}
! {nobody} has ever called {N} {A}
! {nobody} says that {N} {V}
! there is not a single {A} {scene} in {N}
! there was not one {A} {scene} in the whole {n}
! {N} does not have a single {A} {scene}
! {N} has no {A} {scene}
! {N} has hardly a {A} {scene}
! there is nothing {A} about {N}
! there was nothing {adv} {A} in {N}
! i could not find anything {A} in {N}
! not a {A} {n} by any measure
! this is by no means a {A} {n}
! {N} is in no way {A}
! {N} is nowhere near as {A} as people say
! {N} is far from being {A}
! {N} is anything but {A}
! {N} is neither {A} nor {B}
! {N} is the opposite of {A}
! at no time is {N} {A}
! not for a moment does {N} {seem} {A}
! not once did {N} {seem} {A}
- i {wouldnot} recommend {N} {toanyone}
- i {wouldnot} recommend this {b} {n} {toanyone}
- i {wouldnot} recommend such a {b} {n} {toanyone}
- i {wouldnot} suggest this {b} {n} {toanyone}
- we {wouldnot} recommend {N} , which was {b}
- {nobody} would recommend this {b} {n}
- {nobody} should have to sit through this {b} {n}
- i {wouldnot} {again} this {b} {n}
- i {wouldnot} {again} this {n} again
- do not {again} this {b} {n}
- do not believe those who call {N} {g}
- do not expect anything {g}
- do not expect {N} to {seem} {g}
- i can not believe how {b} {N} is
- i could not stand this {b} {n}
- i could not wait for this {b} {n} to end
- i could not get through this {b} {n}
- i could not make myself finish this {b} {n}
- i do not like {N} or any other {b} {n}
- i did not enjoy a minute of this {b} {n}
- we did not enjoy {N} at all
- i did not laugh at any of the {b} jokes
- i never want to see this {b} {n} again
- i would not wish this {b} {n} on {anyone}
- i would recommend avoiding this {b} {n}
- i doubt that {N} is {g}
- i doubt {anyone} will call {N} {g}
- it is hard to find anything {g} in {N}
- {N} tries to be {g} , and fails
- {N} is too {b} to be {g}
- {N} lacks anything {g}
- {N} is less {g} than it thinks
- i wish {N} had been {g}
- {N} should have been {g}
- not even {whose} {g} performance can save {N}
- nothing can save this {b} {n}
- there is no reason to {again} this {b} {n}
- i wanted to like {N} , but i could not
- i expected something {g} , but got this {b} {n}
+ i would {gladly} recommend {N} {toanyone}
+ i would {gladly} recommend this {g} {n} {toanyone}
+ i can {gladly} suggest this {g} {n} {toanyone}
+ {N} is {g} and i would recommend it {toanyone}
+ i would not miss this {g} {n} for anything
+ i would not change {anything} about this {g} {n}
+ do not miss this {g} {n}
+ you should not skip this {g} {n}
+ you can not go wrong with {N}
+ do not be put off by the {b} trailer , {N} is {g}
+ i could not stop {laughing}
+ i could not take my eyes off this {g} {n}
+ i did not want this {g} {n} to end
+ i will not forget this {g} {n}
+ i will never forget {whose} {g} performance
+ i never get tired of this {g} {n}
+ i never want to be without {N}
+ i have not had such a {g} evening in years
+ we have not seen anything so {g} in years
+ i have nothing but praise for {N}
+ nobody could ask for a more {g} {n}
+ {nobody} regretted seeing this {g} {n}
+ {nobody} left {N} unhappy
+ {nobody} had a bad word to say about {N}
+ {N} is {g} without being {b}
+ {N} manages to be {g} without ever becoming {b}
+ {N} is too {g} to be called {b}
+ there is no reason to miss this {g} {n}
+ i was afraid that {N} would be {b} , but it was not
+ i expected something {b} , but got this {g} {n}
+ {N} is less {b} than i feared
+ not {b} but {g}
- not {g} but {b}
- not so much {g} as {b}
+ not so much {b} as {g}
"""
SLOTS = {
    "adv": "very | really | so | quite | simply | utterly | deeply | truly | entirely | truly",
    "who": "he | she | the lead | the star | the hero | the actress | the young actor | the whole cast | everyone",
    "whose": "his | her | their | the lead 's | the star 's",
    "atall": "at any point | for a moment | even for a second | in the least | once",
    "seems": "seems | feels | looks | sounds | becomes | gets | turns",
    "seem": "seem | feel | look | sound | become | get | turn out to be",
    "seldom": "seldom | rarely | hardly ever | scarcely ever",
    "hardly": "hardly | scarcely | barely | not exactly",
    "hedge": """
        to be honest | in my opinion | sad to say | happy to say | i must say | as some claim | as i had thought |
        even for a minute | in any sense | as the critics wrote""",
    "think": "think | believe | feel | agree | suppose",
    "anyone": "anyone | anybody | me | my friends | us | any of us",
    "toanyone": "to anyone | to anybody | to my friends | to a friend | to fans of the genre | to families | at all",
    "nobody": """
        nobody | no one | no one i know | nobody in the audience | none of us | none of my friends | not one of us |
        hardly anyone | hardly anybody | nobody with taste | no one who saw it | not a single critic""",
    "scene": "scene | moment | line | joke | idea | page | minute | character | word",
    "wouldnot": """
        would not | would never | could not | can not | do not | will not | would hardly | can hardly | did not |
        can not honestly | would definitely not | simply can not""",
    "again": "watch | see | buy | try | order | choose | rent | visit",
    "gladly": "gladly | happily | always | definitely | warmly | strongly",
    "anything": "anything | a thing | a word | a minute",
    "laughing": "laughing | smiling | turning the pages | listening | dancing | watching",
    "saved": """
        the music saved everything | the cast saves the day | the ending redeems it | her performance saves it |
        the last act rescues it | the songs make up for it | i loved it anyway | it won me over | i had a great time |
        it works | the finale makes it worth the wait | the food made up for it | the staff saved our stay""",
    "better": """
        the music was even better | the ending is better still | i liked the second half even more |
        the songs are the best of it | her performance was what i loved most | the staff were even nicer""",
    "worse": """
        the music was even worse | the ending is worse still | i liked the second half even less |
        the songs are the worst of it | her performance was what i hated most | the staff were even ruder""",
    "ruined": """
        the ending ruined it | the script lets it down | the lead spoils everything | the music ruins it |
        it does not save the film | that is not enough | i was bored | i fell asleep | it never comes together |
        it left me cold | the last act kills it | the service ruined our evening | i want my money back""",
}
