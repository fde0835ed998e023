// Sends and reads metadata: SLUICE_TENANT=name node metadata.mjs KEY [QUESTION]
//
// The same request under the same idempotency key is answered once: run it twice.
import { collect } from './collector.mjs';
import { ask, printEnd, question, run, show, timeoutMs } from './common.mjs';

await run(async (client) => {
  const key = process.argv[2];
  if (key === undefined) throw new Error('usage: metadata.mjs KEY [QUESTION]');
  const headers = { 'idempotency-key': key, 'sluice-tenant': process.env.SLUICE_TENANT ?? 'examples' };
  // In the initial metadata; of a call that failed before content in the trailers, which
  // come with the error. It names the call in the gateway's log: keep it with what you log.
  let callId = '';
  const onHeader = (received) => {
    callId = received.get('sluice-call-id') ?? '';
  };
  try {
    const request = ask(question('Why is the sky blue?', 1));
    const answer = await collect(client.streamChat(request, { timeoutMs, headers, onHeader }), show);
    console.log(`\ncall id: ${callId}`);
    printEnd(answer.end, answer.text());
  } catch (error) {
    console.log(`\ncall id: ${callId || (error.metadata?.get('sluice-call-id') ?? '')}`);
    throw error;
  }
});
