// node retry.mjs ADDRESS SERVICE_CONFIG PROTO: one stream, by a channel with that
// service config; prints the text.
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const [address, config, protos] = process.argv.slice(2);
const definition = protoLoader.loadSync('sluice/v1/gateway.proto', { includeDirs: [protos], keepCase: true, enums: String });
const { Gateway } = grpc.loadPackageDefinition(definition).sluice.v1;
const client = new Gateway(address, grpc.credentials.createInsecure(), { 'grpc.service_config': config });
const call = client.StreamChat({ model: 'chat', messages: [{ role: 'ROLE_USER', text: 'Why?' }] },
                               { deadline: Date.now() + 30000 });
let text = '';
try {
  for await (const { events } of call) for (const event of events) text += event.content?.text ?? '';
  process.stdout.write(text);
} catch (error) {
  console.error(`${grpc.status[error.code]}: ${error.details}`);
  process.exitCode = 1;
} finally {
  client.close();
}
