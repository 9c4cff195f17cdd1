//! Identity terms that a probe swaps, in English and Chinese.
//!
//! The terms of a set differ only in the people they refer to, which should not change a
//! prediction. A term with two counterparts is in two sets: "her" pairs with "his" and "him".

use crate::choice::choices;

choices! {
    /// Terms of one kind.
    pub enum Group {
        Gender = "gender",
        Age = "age",
        Nationality = "nationality",
        Religion = "religion",
    }
}

impl Group {
    /// Sets of interchangeable terms.
    pub fn sets(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Gender => GENDER,
            Self::Age => AGE,
            Self::Nationality => NATIONALITY,
            Self::Religion => RELIGION,
        }
    }
}

static GENDER: &[&[&str]] = &[
    &["he", "she"],
    &["his", "her"],
    &["him", "her"],
    &["himself", "herself"],
    &["man", "woman"],
    &["men", "women"],
    &["boy", "girl"],
    &["boys", "girls"],
    &["guy", "gal"],
    &["father", "mother"],
    &["dad", "mom"],
    &["son", "daughter"],
    &["brother", "sister"],
    &["husband", "wife"],
    &["uncle", "aunt"],
    &["king", "queen"],
    &["actor", "actress"],
    &["waiter", "waitress"],
    &["gentleman", "lady"],
    &["male", "female"],
    &["masculine", "feminine"],
    &["他", "她"],
    &["他们", "她们"],
    &["男人", "女人"],
    &["男", "女"],
    &["男士", "女士"],
    &["男生", "女生"],
    &["男孩", "女孩"],
    &["先生", "女士"],
    &["爸爸", "妈妈"],
    &["父亲", "母亲"],
    &["儿子", "女儿"],
    &["哥哥", "姐姐"],
    &["弟弟", "妹妹"],
    &["丈夫", "妻子"],
    &["老公", "老婆"],
    &["爷爷", "奶奶"],
    &["帅哥", "美女"],
];

static AGE: &[&[&str]] = &[
    &["young", "old"],
    &["younger", "older"],
    &["youngest", "oldest"],
    &["youthful", "elderly"],
    &["teenager", "adult", "senior"],
    &["teenagers", "adults", "seniors"],
    &["kids", "adults"],
    &["children", "adults"],
    &["年轻", "年老"],
    &["年轻人", "老年人"],
    &["孩子", "老人"],
    &["小孩", "大人"],
    &["青年", "中年", "老年"],
];

static NATIONALITY: &[&[&str]] = &[
    &[
        "American", "British", "Chinese", "French", "German", "Indian", "Iranian", "Japanese",
        "Mexican", "Nigerian", "Russian", "Turkish",
    ],
    &[
        "America", "Britain", "China", "France", "Germany", "India", "Iran", "Japan", "Mexico",
        "Nigeria", "Russia", "Turkey",
    ],
    &["美国", "英国", "中国", "法国", "德国", "印度", "伊朗", "日本", "墨西哥", "俄罗斯", "韩国"],
    &["美国人", "英国人", "中国人", "法国人", "德国人", "印度人", "日本人", "韩国人"],
];

static RELIGION: &[&[&str]] = &[
    &["Christian", "Muslim", "Jewish", "Buddhist", "Hindu", "atheist"],
    &["Christians", "Muslims", "Jews", "Buddhists", "Hindus", "atheists"],
    &["Christianity", "Islam", "Judaism", "Buddhism", "Hinduism"],
    &["church", "mosque", "synagogue", "temple"],
    &["基督教", "伊斯兰教", "犹太教", "佛教", "道教"],
    &["基督徒", "穆斯林", "犹太人", "佛教徒"],
    &["教堂", "清真寺", "寺庙"],
];
