// Ends calls early, in both ways: node cancel.mjs [QUESTION]
//
// An AbortController for each call, aborted wherever the loop may be left: leaving a
// `for await` alone leaves it to the transport whether the server hears of it, and while
// it does not, the model writes on, and somebody pays.
import { collect } from './collector.mjs';
import { ask, codeName, printEnd, question, run, show, timeoutMs } from './common.mjs';

// As a stop button would: the loop goes on until the status comes.
async function cancelledFromOutside(client) {
  const controller = new AbortController();
  let shown;
  try {
    await collect(client.streamChat(ask(question()), { timeoutMs, signal: controller.signal }), (text) => {
      shown = text;
      controller.abort(); // From anywhere.
    });
  } catch (error) {
    console.log(`cancelled after "${shown}": ${codeName(error.code)}`);
  }
}

async function leavesTheLoop(client) {
  const controller = new AbortController();
  try {
    for await (const { events } of client.streamChat(ask(question()), { timeoutMs, signal: controller.signal })) {
      const text = events.map(({ kind }) => (kind.case === 'content' ? kind.value.text : '')).join('');
      if (text) {
        console.log(`left the loop after "${text}"`);
        break;
      }
    }
  } finally {
    controller.abort(); // Of a call that has ended: nothing.
  }
}

await run(async (client) => {
  await cancelledFromOutside(client);
  await leavesTheLoop(client);
  // Only the calls are over: the connection goes on.
  const answer = await collect(client.streamChat(ask(question()), { timeoutMs }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
