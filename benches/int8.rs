//! Forward rows with 8-bit products against f32: time, and how occlusion ranks the tokens. `cargo
//! bench --bench int8 -- [MODEL[=TEXTS]…]`; a model is a folder or a built-in one, TEXTS a file with
//! a text per line. Without models, the built-in ones.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;

use explaind::backend::cpu::Isa;
use explaind::evaluation::statistics::spearman;
use explaind::heads::Task;
use explaind::model::{Dtype, Model, Placement};
use explaind::rows::{Output, Precision, Row, Scalar, Tokens, Want, highest};
use explaind::text::Input;
use explaind::text::tokenizer::Truncate;

/// Tokens of one pass.
const TOKENS: usize = 256;

const ENGLISH: &str = include_str!("python/sentences.txt");

const CHINESE: &str = "\
这部电影真的很好看，演员的表演也非常出色。
快递太慢了，包装破损，质量也很差，不会再买了。
房间干净，服务热情，早餐丰富，下次还会来。
味道一般，分量太少，送来的时候已经凉了。
书的内容不错，但是纸张太薄，印刷也有点模糊。
手机用了一个星期就坏了，客服的态度还特别差。
位置很方便，离地铁站很近，就是隔音不太好。
洗发水味道很香，洗完头发很柔顺，值得购买。
说好半小时送到，结果等了两个小时，太让人失望了。
孩子非常喜欢这本书，每天晚上都要听一遍。
屏幕清晰，运行流畅，电池也耐用，很满意。
酒店的设施很旧，空调声音很大，一晚上没睡好。
";

/// Blocks of passes of each kind, in turns.
const BLOCKS: usize = 9;

/// The least time of a block in seconds: many ticks of the scheduler, which counts in them.
const BLOCK: f64 = 0.1;

/// The processor time of this thread in seconds. Elapsed time would include that of other programs,
/// which take turns with a pass the more often the longer it is.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds: f64 = text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    nanoseconds / 1e9
}

fn row(ids: Vec<u32>, precision: Precision) -> Row {
    let (token_type_ids, position_ids) = (vec![0; ids.len()], (0..ids.len() as u32).collect());
    let tokens = Arc::new(Tokens { input_ids: ids, token_type_ids, position_ids });
    let want = Want::Values(vec![Scalar::one(Output::Logit, 0)]);
    Row { want, precision, ..Row::forward(tokens, [].into()) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Prints the time of passes with rows of `tokens`, in turns.
fn compare(model: &Model, tokens: usize) {
    let rows = |precision| -> Vec<Row> {
        let ids = |row: usize| (0..tokens).map(move |i| 5 + ((i * 37 + row * 101) % 900) as u32);
        (0..TOKENS / tokens).map(|i| row(ids(i).collect(), precision)).collect()
    };
    let (full, reduced) = (rows(Precision::Full), rows(Precision::Reduced));
    let time = |rows: &[Row], passes: usize| {
        let start = processor_time();
        (0..passes).for_each(|_| drop(black_box(model.run(rows).expect("a pass"))));
        (processor_time() - start) / passes as f64
    };
    let mut passes = 1;
    while time(&reduced, passes) * (passes as f64) < BLOCK {
        passes *= 2;
    }
    let times: Vec<(f64, f64)> =
        (0..BLOCKS).map(|_| (time(&full, passes), time(&reduced, passes))).collect();
    let (full, reduced): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
    let ratio = least(&full) / least(&reduced);
    let (full, reduced) = (median(full), median(reduced));
    println!(
        "  {} rows of {tokens} tokens: f32 {:.2} ms, int8 {:.2} ms, {:.2}x; least times {ratio:.2}x",
        TOKENS / tokens,
        full * 1e3,
        reduced * 1e3,
        full / reduced
    );
}

/// Prints how alike the scores of occlusion rank the tokens of each text: the drop of the predicted
/// label's logit, or of the similarity to the whole text, when a token is masked.
fn rank(model: &Model, texts: &str) {
    let mask = model.text.mask().expect("a mask token");
    let correlation = |text: &str| {
        let pointer = String::new;
        let input = Input {
            text: text.to_owned(),
            pointer: pointer(),
            spans_pointer: pointer(),
            ..Input::default()
        };
        let ids = model.encode(&input, Truncate::No).expect("it fits").ids;
        let plain = Row::forward(Arc::clone(&ids), [].into());
        let outputs = model.run(&[plain]).expect("a pass").remove(0).logits;
        let scalar = match model.task {
            Task::Embedding => Scalar::Cosine(outputs.into()),
            _ => Scalar::one(Output::Logit, highest(&outputs)),
        };
        let drops = |precision| -> Vec<f64> {
            let masked = |token: usize| {
                let mut masked = ids.input_ids.clone();
                masked[token] = mask;
                let want = Want::Values(vec![scalar.clone()]);
                let row = Row::forward(Arc::new(ids.with_ids(masked)), [].into());
                Row { want, precision, ..row }
            };
            let rows: Vec<Row> = (1..ids.len() - 1).map(masked).collect();
            model.run(&rows).expect("a pass").iter().map(|output| -output.values[0]).collect()
        };
        spearman(&drops(Precision::Full), &drops(Precision::Reduced))
    };
    let all: Vec<f64> = texts.lines().filter_map(correlation).collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    println!(
        "  Spearman of occlusion over {} texts: mean {mean:.4}, median {:.4}, least {:.4}",
        all.len(),
        median(all.clone()),
        least(&all)
    );
}

fn main() {
    let placement = Placement::Cpu(Isa::best()).with(Dtype::Int8);
    println!("{placement}, one thread");
    let Placement::Int8(..) = placement else {
        println!("skipped: no instructions for 8-bit integers");
        return;
    };
    let folders: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let sources = match folders.is_empty() {
        true => vec!["builtin:sentiment-en".to_owned(), "builtin:sentiment-zh".to_owned()],
        false => folders,
    };
    for argument in sources {
        let (name, texts) = match argument.split_once('=') {
            Some((name, file)) => (name, fs::read_to_string(file).expect("a file of texts")),
            None if argument.ends_with("zh") => (&*argument, CHINESE.to_owned()),
            None => (&*argument, ENGLISH.to_owned()),
        };
        let source = name.parse().expect("a source");
        let model = Model::load(name, &source, &placement).expect("it loads");
        println!("{name}");
        for tokens in [8, 32, 128] {
            compare(&model, tokens);
        }
        rank(&model, &texts);
    }
}
