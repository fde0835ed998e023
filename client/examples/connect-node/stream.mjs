// Streams an answer: node stream.mjs [QUESTION]
import { collect } from './collector.mjs';
import { ask, printEnd, question, run, show, timeoutMs } from './common.mjs';

await run(async (client) => {
  // A cut stream may begin anew; without this it fails.
  const request = ask(question(), { streamOptions: { allowRestart: true } });
  const answer = await collect(client.streamChat(request, { timeoutMs }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
