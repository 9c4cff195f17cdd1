// The key of the service, if it needs one. It is kept until the tab is closed.

const NAME = "explaind-key";

export const setKey = (key) => sessionStorage.setItem(NAME, key.trim());

export function keyHeader() {
  const key = sessionStorage.getItem(NAME);
  return key ? { authorization: `Bearer ${key}` } : {};
}
