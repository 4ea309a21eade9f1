// Works with npm's kafka-rest, a client of Confluent's REST Proxy, as its users
// do, and prints what it was told: one JSON value a line.
'use strict';

const KafkaRest = require('kafka-rest');
const kafka = new KafkaRest({ url: process.argv[2] });
const events = kafka.topic('events');

const print = (what, value) => console.log(JSON.stringify([what, value]));
const told = (what, pick) => (resolve) => (err, answer) => {
  print(what, err ? { failed: err.status, message: err.message } : pick(answer));
  resolve();
};
const offsets = (answer) => answer.offsets.map((o) => [o.partition, o.error_code]);

const steps = [
  (done) => kafka.topics.list(told('topics', (list) => list.map((t) => t.name).filter((n) => !n.startsWith('_')))(done)),
  (done) => kafka.topics.get('events', told('topic', (t) => [t.name, t.raw.partitions.length])(done)),
  (done) => events.partitions.list(told('partitions', (list) => list.map((p) => p.id))(done)),
  (done) => events.produce('one', told('a string', (a) => a.offsets.length)(done)),
  (done) => events.produce(['two', 'three'], told('an array', (a) => a.offsets.length)(done)),
  (done) => events.produce({ key: 'k', value: 'four' }, { key: 'k', value: 'five' }, told('keys', (a) => a.offsets.length)(done)),
  (done) => events.produce({ value: 'six', partition: 1 }, told('a partition', offsets)(done)),
  (done) => events.partition(2).produce(['seven', { key: 'k2', value: Buffer.from([0, 255]) }], told('to a partition', offsets)(done)),
  (done) => events.partition(99).produce('never', told('no such partition', offsets)(done)),
  (done) => kafka.topics.get('there.is.none', told('no such topic', (t) => t.name)(done)),
];

(async () => {
  for (const step of steps) await new Promise(step);
})();
