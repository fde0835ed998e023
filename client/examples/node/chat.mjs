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
});
const { Gateway } = grpc.loadPackageDefinition(definition).sluice.v1;

// Events of a stream -> { text, end }; rejects with the gRPC status.
async function collect(call, onText) {
  let text = '';
  let end = null;
  for await (const { events } of call) {
    for (const event of events) {
      if (event.kind === 'content') {
        text += event.content.text;
        onText(event.content.text);
      } else if (event.kind === 'continuation' && event.continuation.mode === 'CONTINUATION_MODE_RESTART') {
        text = '';
        onText('\n--- cut; the answer begins anew ---\n');
      } else if (event.kind === 'end') {
        end = event.end;
      }
    }
  }
  return { text, end };
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
  const { text, end } = await collect(call, (delta) => process.stdout.write(delta));
  if (end === null) throw { code: grpc.status.DATA_LOSS, details: 'no end record: the answer is incomplete' };
  const outcome = end.outcome.replace('OUTCOME_', '').toLowerCase();
  console.log(`\nend: ${outcome}, served by ${end.served_by}, ${end.attempts.length} attempts, ${text.length} characters`);
  if (end.outcome === 'OUTCOME_FALLBACK') console.log(`a fallback, because: ${end.error.message}`);
} catch (error) {
  console.error(`\n${grpc.status[error.code] ?? 'ERROR'}: ${error.details ?? error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
