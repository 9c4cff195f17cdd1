// A model with 12 layers of 12 heads that reads 512 tokens, as large ones do, but with few and random
// weights: what is measured with it is the page, not the model.

import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";

const HIDDEN = 48;
const SIZES = { num_hidden_layers: 12, num_attention_heads: 12, hidden_size: HIDDEN, intermediate_size: HIDDEN, max_position_embeddings: 512 };

/** Writes the model's folder, with the tokenizer of a small checkpoint. */
export async function writeLongModel(folder, checkpoint) {
  await mkdir(folder, { recursive: true });
  const read = async (name) => JSON.parse(await readFile(`${checkpoint}/${name}`, "utf8"));
  const config = { ...(await read("config.json")), ...SIZES };
  await copyFile(`${checkpoint}/tokenizer.json`, `${folder}/tokenizer.json`);
  const tokenizer = { ...(await read("tokenizer_config.json")), model_max_length: SIZES.max_position_embeddings };
  await writeFile(`${folder}/tokenizer_config.json`, JSON.stringify(tokenizer));
  await writeFile(`${folder}/config.json`, JSON.stringify(config));
  await writeFile(`${folder}/model.safetensors`, safetensors(shapes(config)));
}

/** The shape of each tensor by its name. */
function shapes(config) {
  const linear = (name, out) => ({ [`${name}.weight`]: [out, HIDDEN], [`${name}.bias`]: [out] });
  const norm = (name) => ({ [`${name}.weight`]: [HIDDEN], [`${name}.bias`]: [HIDDEN] });
  const all = {
    "bert.embeddings.word_embeddings.weight": [config.vocab_size, HIDDEN],
    "bert.embeddings.position_embeddings.weight": [config.max_position_embeddings, HIDDEN],
    "bert.embeddings.token_type_embeddings.weight": [config.type_vocab_size, HIDDEN],
    ...norm("bert.embeddings.LayerNorm"),
    ...linear("bert.pooler.dense", HIDDEN),
    ...linear("classifier", Object.keys(config.id2label).length),
  };
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `bert.encoder.layer.${layer}`;
    for (const name of ["query", "key", "value"]) Object.assign(all, linear(`${at}.attention.self.${name}`, HIDDEN));
    Object.assign(all, linear(`${at}.attention.output.dense`, HIDDEN), norm(`${at}.attention.output.LayerNorm`));
    Object.assign(all, linear(`${at}.intermediate.dense`, HIDDEN), linear(`${at}.output.dense`, HIDDEN));
    Object.assign(all, norm(`${at}.output.LayerNorm`));
  }
  return all;
}

function safetensors(shapes) {
  const header = {};
  const random = generator(7);
  const parts = [];
  let end = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const count = shape.reduce((product, size) => product * size, 1);
    const isNorm = name.endsWith("LayerNorm.weight");
    const scale = name.includes("query") || name.includes("key") ? 0.6 : 0.2;
    const values = Float32Array.from({ length: count }, () => (isNorm ? 1 : scale * random()));
    header[name] = { dtype: "F32", shape, data_offsets: [end, (end += 4 * count)] };
    parts.push(Buffer.from(values.buffer));
  }
  const text = Buffer.from(JSON.stringify(header));
  const padding = Buffer.alloc((8 - (text.length % 8)) % 8, " ");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length + padding.length));
  return Buffer.concat([length, text, padding, ...parts]);
}

/** Random numbers between -1 and 1, the same at each call (a linear congruential generator). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
