// Collects two answers whole, and goes on with the first: node collect.mjs [QUESTION]
import { collect, kindOf } from './collector.mjs';
import { ask, deadline, printEnd, question, run, show, user } from './common.mjs';

function described(part) {
  const kind = kindOf(part);
  switch (kind) {
    case undefined:
      return 'states alone';
    case 'tool_call':
      return `tool_call ${part.tool_call.name} ${part.tool_call.arguments_json}`;
    case 'media':
      return `media ${part.media.mime_type}, ${part.media.data.length} bytes, ${part.media.transcript}`;
    default:
      return `${kind} ${part.text ?? part[kind].text}`;
  }
}

function printAnswer(answer) {
  for (const choice of answer.choices()) {
    console.log(`choice ${choice}: ${answer.finish.get(choice).finish_reason.replace('FINISH_REASON_', '').toLowerCase()}`);
    for (const part of answer.message(choice).parts) {
      console.log(`  ${described(part)} (${part.citations.length} citations, ${part.states.length} states)`);
    }
  }
  if (answer.usage) console.log(`usage: ${answer.usage.input_tokens} in, ${answer.usage.output_tokens} out`);
}

await run(async (client) => {
  const request = ask(question(), { n: 2, stream_options: { allow_restart: true } });
  let answer = await collect(client.StreamChat(request, { deadline: deadline() }));
  printAnswer(answer);

  // The next turn: the answer goes back whole.
  request.messages.push(answer.message(0), user('Go on.'));
  delete request.n;
  answer = await collect(client.StreamChat(request, { deadline: deadline() }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
