// Events of a stream -> whole messages, which can be appended to the next request.

const ADD_TO_PART = {
  content(part, delta) {
    part.text = (part.text ?? '') + delta.text;
  },
  reasoning(part, delta) {
    part.reasoning = { text: (part.reasoning?.text ?? '') + delta.text };
  },
  refusal(part, delta) {
    part.refusal = { text: (part.refusal?.text ?? '') + delta.text };
  },
  tool_call_start(part, start) {
    part.tool_call = { id: start.id, name: start.name, arguments_json: '' };
  },
  tool_call_delta(part, delta) {
    part.tool_call.arguments_json += delta.arguments_json;
  },
  media(part, delta) {
    part.media ??= { mime_type: '', data: Buffer.alloc(0), transcript: '' };
    if (delta.mime_type) part.media.mime_type = delta.mime_type;
    part.media.data = Buffer.concat([part.media.data, delta.data]);
    part.media.transcript += delta.transcript;
  },
  citation(part, citation) {
    part.citations.push(citation);
  },
  part_end(part, end) {
    part.states.push(...end.states);
  },
};

const KINDS = ['text', 'reasoning', 'refusal', 'tool_call', 'media'];

// Which of its kinds a collected part is; undefined where it is none.
export const kindOf = (part) => KINDS.find((kind) => part[kind] !== undefined);

export const textOf = (message) => message.parts.map((part) => part.text ?? '').join('');

const inOrder = (map) => [...map].sort(([a], [b]) => a - b);

// The answer so far. Takes every event of one stream, in order.
export class Collector {
  constructor() {
    this.#restart();
  }

  #parts; // choice -> part -> Part

  #restart() {
    this.#parts = new Map();
    this.finish = new Map(); // choice -> ChoiceEnd
    this.started = null;
    this.usage = null;
    this.end = null;
  }

  add(event) {
    switch (event.kind) {
      case 'started':
        this.started = event.started;
        break;
      case 'choice_end':
        this.finish.set(event.choice, event.choice_end);
        break;
      case 'usage':
        this.usage = event.usage; // Replaces; it is never added up.
        break;
      case 'end':
        this.end = event.end;
        break;
      case 'continuation':
        if (event.continuation.mode === 'CONTINUATION_MODE_RESTART') this.#restart(); // What was shown is void.
        break;
      default:
        // Kinds that this program does not know are ignored.
        if (event.kind in ADD_TO_PART) ADD_TO_PART[event.kind](this.#part(event), event[event.kind]);
    }
  }

  // Parts may be open side by side: each delta goes to its own.
  #part({ choice, part }) {
    if (!this.#parts.has(choice)) this.#parts.set(choice, new Map());
    const parts = this.#parts.get(choice);
    if (!parts.has(part)) parts.set(part, { citations: [], states: [] });
    return parts.get(part);
  }

  choices() {
    return inOrder(this.#parts).map(([choice]) => choice);
  }

  // As the next request's history wants it: with reasoning, tool calls and states.
  message(choice = 0) {
    const parts = inOrder(this.#parts.get(choice) ?? new Map()).map(([, part]) => part);
    // A citation alone makes no part.
    return { role: 'ROLE_ASSISTANT', parts: parts.filter((part) => kindOf(part) || part.states.length > 0) };
  }

  text(choice = 0) {
    return textOf(this.message(choice));
  }
}

// Reads a stream to its end; rejects with what the call fails with. Only a stream with
// its end record is an answer.
export async function collect(call, onText = () => {}) {
  const collector = new Collector();
  for await (const { events } of call) {
    for (const event of events) {
      collector.add(event);
      if (event.kind === 'content' && event.choice === 0) onText(event.content.text);
      if (event.continuation?.mode === 'CONTINUATION_MODE_RESTART') onText('\n--- cut; the answer begins anew ---\n');
    }
  }
  if (collector.end === null) throw new Error('no end record: the answer is incomplete');
  return collector;
}
