// What the tasks of models take.

const PAIRED = {
  "question-answering": "passage",
  "sentence-similarity": "second_text",
  "next-sentence-prediction": "second_text",
};

/** Whether a model is meant for two texts. */
export const needsPair = (model) => model?.task in PAIRED;

export const pairLabel = (model) => PAIRED[model?.task] ?? "second_text";
