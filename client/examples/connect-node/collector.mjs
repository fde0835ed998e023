// Events of a stream -> whole messages, which can be appended to the next request.
import { create } from '@bufbuild/protobuf';
import {
  ContinuationMode,
  MediaSchema,
  MessageSchema,
  PartSchema,
  ReasoningSchema,
  RefusalSchema,
  Role,
  ToolCallSchema,
} from './gen/sluice/v1/gateway_pb.js';

// The value of the part's kind, made where it is not there yet.
function kindOf(part, name, schema) {
  if (part.kind.case !== name) part.kind = { case: name, value: create(schema) };
  return part.kind.value;
}

const ADD_TO_PART = {
  content(part, delta) {
    part.kind = { case: 'text', value: (part.kind.value ?? '') + delta.text };
  },
  reasoning(part, delta) {
    kindOf(part, 'reasoning', ReasoningSchema).text += delta.text;
  },
  refusal(part, delta) {
    kindOf(part, 'refusal', RefusalSchema).text += delta.text;
  },
  toolCallStart(part, { id, name }) {
    Object.assign(kindOf(part, 'toolCall', ToolCallSchema), { id, name });
  },
  toolCallDelta(part, delta) {
    kindOf(part, 'toolCall', ToolCallSchema).argumentsJson += delta.argumentsJson;
  },
  media(part, delta) {
    const media = kindOf(part, 'media', MediaSchema);
    if (delta.mimeType) media.mimeType = delta.mimeType;
    media.source = { case: 'data', value: Buffer.concat([media.source.value ?? Buffer.alloc(0), delta.data]) };
    media.transcript += delta.transcript;
  },
  citation(part, citation) {
    part.citations.push(citation);
  },
  partEnd(part, end) {
    part.states.push(...end.states);
  },
};

export const textOf = (message) =>
  message.parts.map(({ kind }) => (kind.case === 'text' ? kind.value : '')).join('');

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
    this.started = undefined;
    this.usage = undefined;
    this.end = undefined;
  }

  add({ choice, part, kind }) {
    switch (kind.case) {
      case 'started':
        this.started = kind.value;
        break;
      case 'choiceEnd':
        this.finish.set(choice, kind.value);
        break;
      case 'usage':
        this.usage = kind.value; // Replaces; it is never added up.
        break;
      case 'end':
        this.end = kind.value;
        break;
      case 'continuation':
        if (kind.value.mode === ContinuationMode.RESTART) this.#restart(); // What was shown is void.
        break;
      default:
        // Kinds that this program does not know are ignored.
        if (kind.case in ADD_TO_PART) ADD_TO_PART[kind.case](this.#part(choice, part), kind.value);
    }
  }

  // Parts may be open side by side: each delta goes to its own.
  #part(choice, number) {
    if (!this.#parts.has(choice)) this.#parts.set(choice, new Map());
    const parts = this.#parts.get(choice);
    if (!parts.has(number)) parts.set(number, create(PartSchema));
    return parts.get(number);
  }

  choices() {
    return inOrder(this.#parts).map(([choice]) => choice);
  }

  // As the next request's history wants it: with reasoning, tool calls and states.
  message(choice = 0) {
    const parts = inOrder(this.#parts.get(choice) ?? new Map()).map(([, part]) => part);
    // A citation alone makes no part.
    const whole = parts.filter((part) => part.kind.case !== undefined || part.states.length > 0);
    return create(MessageSchema, { role: Role.ASSISTANT, parts: whole });
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
      const { kind } = event;
      if (kind.case === 'content' && event.choice === 0) onText(kind.value.text);
      if (kind.case === 'continuation' && kind.value.mode === ContinuationMode.RESTART) {
        onText('\n--- cut; the answer begins anew ---\n');
      }
    }
  }
  if (collector.end === undefined) throw new Error('no end record: the answer is incomplete');
  return collector;
}
