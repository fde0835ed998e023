// Sends and reads metadata: SLUICE_TENANT=name node metadata.mjs KEY [QUESTION]
//
// The same request under the same idempotency key is answered once: run it twice.
import grpc from '@grpc/grpc-js';
import { collect } from './collector.mjs';
import { ask, deadline, printEnd, question, run, show } from './common.mjs';

await run(async (client) => {
  const key = process.argv[2];
  if (key === undefined) throw new Error('usage: metadata.mjs KEY [QUESTION]');
  const metadata = new grpc.Metadata();
  metadata.set('idempotency-key', key);
  metadata.set('sluice-tenant', process.env.SLUICE_TENANT ?? 'examples');
  const call = client.StreamChat(ask(question('Why is the sky blue?', 1)), metadata, { deadline: deadline() });

  // In the initial metadata; of a call that failed before content in the trailers. It
  // names the call in the gateway's log: keep it with what you log.
  let callId = '';
  const read = (received) => {
    callId = String(received.get('sluice-call-id')[0] ?? callId);
  };
  call.on('metadata', read);
  try {
    const answer = await collect(call, show);
    console.log(`\ncall id: ${callId}`);
    printEnd(answer.end, answer.text());
  } catch (error) {
    if (error.metadata) read(error.metadata);
    console.log(`\ncall id: ${callId}`);
    throw error;
  }
});
