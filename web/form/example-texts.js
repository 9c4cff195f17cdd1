// Examples of what explanations show. `why` is what to look at.

export const EXAMPLES = [
  { model: "sentiment-en", why: "both", text: "The plot was thin, but the music is wonderful." },
  { model: "sentiment-en", why: "negation", text: "I did not expect to like this film, but it was not bad at all." },
  { model: "sentiment-en", why: "degree", text: "The food was slightly cold and the staff was extremely rude." },
  { model: "sentiment-en", why: "irony", text: "Great, another two hours of my life that I will never get back." },
  { model: "sentiment-en", why: "neutral", text: "The meeting is on Tuesday at nine." },
  { model: "sentiment-zh", why: "both", text: "剧情有点薄弱，但是音乐非常动人。" },
  { model: "sentiment-zh", why: "degree", text: "这部电影真的很棒" },
  { model: "sentiment-zh", why: "negation", text: "味道不是很差，但是我不会再来了。" },
  { model: "sentiment-zh", why: "irony", text: "服务真好，等了一个小时才上菜。" },
  { task: "question-answering", why: "answer", text: "Where does the river end?", pair: "The river rises in the hills and ends in the sea." },
  { task: "token-classification", why: "entities", text: "Ada Lovelace lived in London." },
  { task: "fill-mask", why: "mask", text: "The weather is [MASK] today." },
  { task: "sentence-similarity", why: "similarity", text: "A man is playing a guitar.", pair: "Someone makes music." },
];
