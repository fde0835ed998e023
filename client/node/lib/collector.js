// Events of a stream → the ChatResponse that a unary Chat would have given.
import { ExtrasMerge } from './extras_merge.js';
import { definition } from './gateway.js';

const chat = definition['sluice.v1.Gateway'].Chat;

// Event → the kind of part that it belongs to.
const DELTAS = {
  content: 'text',
  reasoning: 'reasoning',
  refusal: 'refusal',
  tool_call_start: 'tool_call',
  tool_call_delta: 'tool_call',
  media: 'media',
};

// One per call. Deltas go by (choice, part), for parts may be open side by side.
export class Collector {
  #rest = {};
  #choices = new Map();
  #extras = new Map();

  // The events of a call, each collected before it is given. Who leaves the loop early
  // cancels the call; a loop over the call itself would not tell the gateway.
  async *read(call) {
    try {
      for await (const { events } of call) {
        for (const event of events) {
          this.add(event);
          yield event;
        }
      }
    } finally {
      leave(call);
    }
  }

  // Throws where the event cannot belong to this answer. Kinds that are not known are ignored.
  add(event) {
    if (this.#rest.end) throw new RangeError('an event after the end');
    const { kind } = event;
    if (kind === 'started' || kind === 'usage' || kind === 'end') {
      this.#rest[kind] = event[kind]; // usage is cumulative: it replaces, and is never added up
    } else if (kind === 'extras') {
      at(this.#extras, event.extras.wire_format, () => new ExtrasMerge()).add(event.choice, event.extras.json);
    } else if (kind === 'continuation') {
      if (event.continuation.mode === 'CONTINUATION_MODE_RESTART') this.#restart();
    } else if (kind in DELTAS || kind === 'part_end' || kind === 'choice_end' || kind === 'citation') {
      at(this.#choices, event.choice, () => new OpenChoice()).add(event);
    }
  }

  // The end came and says COMPLETE or FALLBACK. Only with the status OK as well, so where
  // the call threw nothing, is the answer whole.
  get complete() {
    return ['OUTCOME_COMPLETE', 'OUTCOME_FALLBACK'].includes(this.#rest.end?.outcome);
  }

  // What is there so far, in the very form that Chat gives; choices in order of index.
  response() {
    const choices = [...this.#choices].sort(([a], [b]) => a - b);
    const response = {
      ...this.#rest,
      choices: choices.map(([index, choice]) => ({ index, ...choice.choice() })),
      extras_json: Object.fromEntries([...this.#extras].map(([format, merge]) => [format, merge.json()])),
    };
    return chat.responseDeserialize(chat.responseSerialize(response));
  }

  // The answer, to be appended to the next request's messages: nothing that the provider
  // wants back is lost.
  message(choice = 0) {
    const found = this.response().choices.find(({ index }) => index === choice);
    return found?.message ?? { role: 'ROLE_ASSISTANT', parts: [], text: '', name: '' };
  }

  // The text of one answer so far, its text parts joined.
  text(choice = 0) {
    return this.message(choice).parts.map((part) => part.text ?? '').join('');
  }

  // All of a void answer goes, what it cost too: the new one tells its own.
  #restart() {
    this.#rest = {};
    this.#choices.clear();
    this.#extras.clear();
  }
}

class OpenChoice {
  #rest = {};
  #logprobs = [];
  #parts = new Map();

  add(event) {
    if (event.kind === 'choice_end') {
      this.#rest = event.choice_end;
      return;
    }
    at(this.#parts, event.part, () => new OpenPart()).add(event);
    if (event.kind === 'content') this.#logprobs.push(...event.content.logprobs);
  }

  choice() {
    const sorted = [...this.#parts].sort(([a], [b]) => a - b);
    // A part of a kind that is not known here ends too, but has nothing.
    const known = sorted.map(([, part]) => part).filter(({ kind }) => kind);
    const parts = known.map((part) => part.part());
    const texts = parts.filter(({ text }) => text !== undefined);
    const message = { role: 'ROLE_ASSISTANT', parts };
    if (texts.length === 1) message.text = texts[0].text; // as Message.text says
    return { ...this.#rest, message, logprobs: this.#logprobs };
  }
}

class OpenPart {
  kind = null;
  #states = [];
  #citations = [];
  #head = {};
  #text = '';
  #data = [];

  add(event) {
    const value = event[event.kind];
    if (event.kind === 'part_end') this.#states.push(...value.states);
    else if (event.kind === 'citation') this.#citations.push(value);
    else this.#addDelta(event, value);
  }

  #addDelta({ kind, choice, part }, value) {
    if (this.kind !== null && this.kind !== DELTAS[kind]) {
      throw new RangeError(`${kind} for part ${part} of choice ${choice}, which is of kind ${this.kind}`);
    }
    this.kind = DELTAS[kind];
    if (kind === 'tool_call_start') this.#head = value;
    if (kind === 'media') {
      this.#head = { mime_type: this.#head.mime_type || value.mime_type };
      this.#data.push(value.data);
    }
    this.#text += value.text ?? value.arguments_json ?? value.transcript ?? '';
  }

  part() {
    return { [this.kind]: this.#value(), states: this.#states, citations: this.#citations };
  }

  #value() {
    switch (this.kind) {
      case 'text':
        return this.#text;
      case 'tool_call':
        return { ...this.#head, arguments_json: this.#text };
      case 'media':
        return { ...this.#head, data: Buffer.concat(this.#data), transcript: this.#text };
      default:
        return { text: this.#text };
    }
  }
}

// What has ended by itself is not changed by it; a list of responses cannot be cancelled.
function leave(call) {
  if (!call.cancel) return;
  call.on('error', () => {}); // the status CANCELLED comes as an event, and nobody waits for it any more
  call.cancel();
}

// The map's value, made where there is none.
function at(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}
