// Collects two answers whole, and goes on with the first: node collect.mjs [QUESTION]
import { collect } from './collector.mjs';
import { ask, printEnd, question, run, show, timeoutMs, user } from './common.mjs';
import { FinishReason } from './gen/sluice/v1/gateway_pb.js';

function described({ kind }) {
  switch (kind.case) {
    case undefined:
      return 'states alone';
    case 'text':
      return `text ${kind.value}`;
    case 'toolCall':
      return `tool_call ${kind.value.name} ${kind.value.argumentsJson}`;
    case 'media':
      return `media ${kind.value.mimeType}, ${kind.value.source.value.length} bytes, ${kind.value.transcript}`;
    default:
      return `${kind.case} ${kind.value.text}`;
  }
}

function printAnswer(answer) {
  for (const choice of answer.choices()) {
    console.log(`choice ${choice}: ${FinishReason[answer.finish.get(choice).finishReason].toLowerCase()}`);
    for (const part of answer.message(choice).parts) {
      console.log(`  ${described(part)} (${part.citations.length} citations, ${part.states.length} states)`);
    }
  }
  if (answer.usage) console.log(`usage: ${answer.usage.inputTokens} in, ${answer.usage.outputTokens} out`);
}

await run(async (client) => {
  const request = ask(question(), { n: 2, streamOptions: { allowRestart: true } });
  let answer = await collect(client.streamChat(request, { timeoutMs }));
  printAnswer(answer);

  // The next turn: the answer goes back whole.
  request.messages.push(answer.message(0), user('Go on.'));
  request.n = undefined;
  answer = await collect(client.streamChat(request, { timeoutMs }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
