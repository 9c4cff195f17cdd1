// Reads safetensors: the length of a JSON header, the header, and the tensors' bytes.

/** {tensors: {name: {shape, values}}, answer}: the tensors and the rest of the answer. */
export function parse(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { __metadata__: metadata, ...entries } = header;
  const tensors = {};
  for (const [name, { shape, data_offsets: [start, end] }] of Object.entries(entries)) {
    tensors[name] = { shape, values: floats(buffer, 8 + length + start, end - start) };
  }
  return { tensors, answer: JSON.parse(metadata.explaind) };
}

/** Little-endian floats, without a copy where their position allows it. */
function floats(buffer, start, bytes) {
  const aligned = start % 4 === 0;
  return aligned ? new Float32Array(buffer, start, bytes / 4) : new Float32Array(buffer.slice(start, start + bytes));
}
