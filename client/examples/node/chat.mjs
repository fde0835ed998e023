// Streams a chat through a Sluice gateway and collects the answer.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const here = path.dirname(fileURLToPath(import.meta.url));
const protos = process.env.SLUICE_PROTO ?? path.join(here, '../../../proto');
const definition = protoLoader.loadSync('sluice/v1/gateway.proto', {
  includeDirs: [protos],
  keepCase: true,
  longs: String,
  enums: String,
  oneofs: true,
  // 0 and "" are there, not undefined.
  defaults: true,
});
const { Gateway } = grpc.loadPackageDefinition(definition).sluice.v1;

// A step of one part of an answer.
function addDelta(part, event) {
  switch (event.kind) {
    case 'content':
      part.text = (part.text ?? '') + event.content.text;
      break;
    case 'reasoning':
      part.reasoning = { text: (part.reasoning?.text ?? '') + event.reasoning.text };
      break;
    case 'refusal':
      part.refusal = { text: (part.refusal?.text ?? '') + event.refusal.text };
      break;
    case 'tool_call_start':
      part.tool_call = { ...event.tool_call_start, arguments_json: '' };
      break;
    case 'tool_call_delta':
      part.tool_call.arguments_json += event.tool_call_delta.arguments_json;
      break;
    case 'part_end':
      part.states = event.part_end.states;
      break;
  }
}

const PART_KINDS = ['content', 'reasoning', 'refusal', 'tool_call_start', 'tool_call_delta', 'part_end'];

// Events of a stream -> { message, end }, the first choice as a message for the
// history; rejects with the gRPC status.
async function collect(call, onText) {
  // Deltas of several parts may interleave: each goes to its own.
  let parts = [];
  let end = null;
  for await (const { events } of call) {
    for (const event of events) {
      if (PART_KINDS.includes(event.kind) && event.choice === 0) {
        const part = (parts[event.part] ??= {});
        addDelta(part, event);
        if (event.kind === 'content') onText(event.content.text);
      } else if (event.kind === 'continuation' && event.continuation.mode === 'CONTINUATION_MODE_RESTART') {
        parts = [];
        onText('\n--- cut; the answer begins anew ---\n');
      } else if (event.kind === 'end') {
        end = event.end;
      }
    }
  }
  return { message: { role: 'ROLE_ASSISTANT', parts }, end };
}

const question = process.argv.slice(2).join(' ') || 'Why is the sky blue?';
const client = new Gateway(process.env.SLUICE_SERVER ?? '127.0.0.1:8443', grpc.credentials.createInsecure());
const call = client.StreamChat(
  {
    model: process.env.SLUICE_MODEL ?? 'chat',
    messages: [{ role: 'ROLE_USER', text: question }],
    // A cut stream may begin anew; without this it fails.
    stream_options: { allow_restart: true },
  },
  { deadline: Date.now() + 60_000 },
);
try {
  const { message, end } = await collect(call, (delta) => process.stdout.write(delta));
  if (end === null) throw { code: grpc.status.DATA_LOSS, details: 'no end record: the answer is incomplete' };
  const text = message.parts.map((part) => part.text ?? '').join('');
  const outcome = end.outcome.replace('OUTCOME_', '').toLowerCase();
  console.log(`\nend: ${outcome}, served by ${end.served_by}, ${end.attempts.length} attempts, ${text.length} characters`);
  if (end.outcome === 'OUTCOME_FALLBACK') console.log(`a fallback, because: ${end.error.message}`);
} catch (error) {
  console.error(`\n${grpc.status[error.code] ?? 'ERROR'}: ${error.details ?? error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
