// The Extras of a stream as the one JSON object that a unary Chat would have given
// (ChatResponse.extras_json). As text, so that a number stays what the provider wrote.
// One per wire format and answer.
export class ExtrasMerge {
  #answer = new Map();
  #choices = new Map();

  // `json`: Extras.json, an object of one field. What is none is left out.
  add(choice, json) {
    const field = onlyField(json);
    if (field?.key !== 'choice') {
      if (field) this.#answer.set(field.key, field.value);
      return;
    }
    const inner = onlyField(field.value);
    if (!inner) return;
    if (!this.#choices.has(choice)) this.#choices.set(choice, new Map());
    const fields = this.#choices.get(choice);
    const known = fields.get(inner.key) ?? '';
    const joins = isFullList(known) && isFullList(inner.value);
    fields.set(inner.key, joins ? `${known.slice(0, -1)},${inner.value.slice(1)}` : inner.value);
  }

  json() {
    const parts = this.#answer.size ? [members(this.#answer)] : [];
    const sorted = [...this.#choices].sort(([a], [b]) => a - b);
    const choices = sorted.map(([index, fields]) => `{"index":${index},${members(fields)}}`);
    if (choices.length) parts.push(`"choices":[${choices.join(',')}]`);
    return `{${parts.join(',')}}`;
  }
}

// {"key":value} → key and value.
function onlyField(json) {
  const keyEnd = json.indexOf('":', 2);
  if (!json.startsWith('{"') || !json.endsWith('}') || keyEnd < 0) return null;
  return { key: json.slice(2, keyEnd), value: json.slice(keyEnd + 2, -1) };
}

const isFullList = (json) => json.length > 2 && json.startsWith('[');

const members = (fields) => [...fields].map(([key, value]) => `"${key}":${value}`).join(',');
