//! Near-synonyms that a probe swaps, in English and Chinese.
//!
//! The words of a set have the same part of speech and form, the same strength and, in the senses
//! that they mostly have, the same meaning. In English they also take the same indefinite
//! article. Words with a second common meaning, such as "picture" or 十分 (ten points), are left
//! out.

pub static SETS: &[&[&str]] = &[
    // Spelling
    &["color", "colour"],
    &["colors", "colours"],
    &["colorful", "colourful"],
    &["favorite", "favourite"],
    &["flavor", "flavour"],
    &["flavors", "flavours"],
    &["humor", "humour"],
    &["neighbor", "neighbour"],
    &["theater", "theatre"],
    &["theaters", "theatres"],
    &["gray", "grey"],
    // Nouns
    &["film", "movie"],
    &["films", "movies"],
    &["filmmaker", "moviemaker"],
    &["moviegoer", "filmgoer"],
    &["moviegoers", "filmgoers"],
    &["storyline", "plotline"],
    &["screenplay", "script"],
    &["dialogue", "dialog"],
    &["photo", "photograph"],
    &["photos", "photographs"],
    &["cab", "taxi"],
    &["sofa", "couch"],
    &["physician", "doctor"],
    &["physicians", "doctors"],
    &["phone", "telephone"],
    &["phones", "telephones"],
    &["fridge", "refrigerator"],
    &["laptop", "notebook computer"],
    &["customer service", "customer support"],
    &["bathroom", "washroom"],
    &["viewer", "spectator"],
    &["viewers", "spectators"],
    // Adjectives
    &["big", "large"],
    &["huge", "gigantic"],
    &["smart", "clever"],
    &["funny", "humorous"],
    &["wonderful", "marvelous"],
    &["gorgeous", "beautiful"],
    &["terrible", "dreadful"],
    &["boring", "tedious"],
    &["silly", "foolish"],
    &["strange", "weird"],
    &["scary", "frightening"],
    &["costly", "pricey"],
    &["tasty", "delicious"],
    // Verbs
    &["begin", "start"],
    &["begins", "starts"],
    &["began", "started"],
    &["buy", "purchase"],
    &["buying", "purchasing"],
    &["bought", "purchased"],
    &["seems", "appears"],
    &["seemed", "appeared"],
    &["happens", "occurs"],
    &["happened", "occurred"],
    // Adverbs and conjunctions
    &["maybe", "perhaps"],
    &["totally", "completely", "fully"],
    &["really", "truly"],
    &["extremely", "exceedingly"],
    &["rarely", "seldom"],
    &["usually", "normally"],
    &["quickly", "rapidly"],
    &["although", "though"],
    &["however", "nevertheless"],
    &["mostly", "mainly"],
    &["somewhat", "slightly"],
    // Nouns
    &["电影", "影片"],
    &["宾馆", "酒店"],
    &["卖家", "店家"],
    &["早餐", "早饭"],
    &["晚餐", "晚饭"],
    &["服务员", "服务生"],
    &["电脑", "计算机"],
    &["照片", "相片"],
    &["书籍", "图书"],
    &["质量", "品质"],
    &["价格", "价钱"],
    &["情节", "剧情"],
    &["结局", "结尾"],
    &["洗手间", "卫生间"],
    &["周围", "四周"],
    &["夜里", "夜间"],
    &["早上", "早晨"],
    &["出租车", "计程车"],
    &["土豆", "马铃薯"],
    &["西红柿", "番茄"],
    // Adjectives
    &["漂亮", "美丽"],
    &["优秀", "出色"],
    &["无聊", "乏味"],
    &["干净", "洁净"],
    &["舒服", "舒适"],
    &["快速", "迅速"],
    &["糟糕", "差劲"],
    &["美味", "可口"],
    &["高兴", "开心"],
    // Verbs
    &["喜欢", "喜爱"],
    &["讨厌", "厌恶"],
    &["购买", "选购"],
    &["觉得", "认为"],
    // Adverbs and conjunctions
    &["非常", "极其"],
    &["马上", "立刻", "立即"],
    &["经常", "时常"],
    &["也许", "或许"],
    &["但是", "可是"],
    &["因为", "由于"],
    &["如果", "假如"],
    &["大约", "大概"],
    &["刚才", "刚刚"],
    &["突然", "忽然"],
    &["仍然", "依然"],
    &["一直", "始终"],
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::identity::Group;
    use super::super::places;
    use super::*;
    use crate::choice::Choice;
    use crate::script::is_han;
    use crate::text::borders;

    #[test]
    fn words_of_a_set_take_the_same_article() {
        let vowel = |word: &str| word.starts_with(['a', 'e', 'i', 'o', 'u']);
        // Verbs and conjunctions take none; "usually" begins with a consonant.
        let excluded = ["although", "happens", "happened", "seems", "seemed", "usually"];
        let sets = SETS.iter().filter(|set| !excluded.contains(&set[0]));
        for set in sets.filter(|set| !set[0].contains(is_han)) {
            assert!(set.iter().all(|word| vowel(word) == vowel(set[0])), "{set:?}");
        }
    }

    #[test]
    fn terms_are_in_one_set_each() {
        for sets in [SETS, places::SETS] {
            let mut known = HashSet::new();
            for set in sets {
                assert!(set.len() > 1, "{set:?}");
                assert!(set.iter().all(|word| known.insert(word.to_lowercase())), "{set:?}");
            }
        }
    }

    /// A term that the segmentation joins with others or splits in an unexpected place would
    /// never be found.
    #[test]
    fn chinese_terms_are_words_of_the_segmentation() {
        let tables = Group::ALL.iter().map(|group| group.sets());
        for sets in tables.chain([SETS, places::SETS]) {
            for term in sets.iter().flat_map(|set| *set).filter(|term| term.contains(is_han)) {
                let ends: Vec<usize> = borders::words(&format!("，{term}，"))
                    .into_iter()
                    .map(|(_, end)| end)
                    .collect();
                let length = term.chars().count();
                assert!(ends.contains(&1) && ends.contains(&(1 + length)), "{term}");
            }
        }
    }
}
