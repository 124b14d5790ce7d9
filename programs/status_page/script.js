'use strict';

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', {notation: 'compact', maximumFractionDigits: 1});
const byId = id => document.getElementById(id);

const count = n => n < 100000 ? whole.format(n) : short.format(n);
const rate = n => n < 10 ? String(Math.round(n * 10) / 10) : count(Math.round(n));

function duration(seconds) {
  const s = Math.floor(seconds), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  if (d > 0) return `${d} d ${h % 24} h`;
  if (h > 0) return `${h} h ${m % 60} min`;
  return m > 0 ? `${m} min ${s % 60} s` : `${s} s`;
}

// --- showing ---

// What is in list gets an element of the template each, which is kept.
function fill(parent, template, list, update) {
  while (parent.children.length > list.length) parent.lastElementChild.remove();
  while (parent.children.length < list.length) {
    parent.append(byId(template).content.cloneNode(true));
  }
  list.forEach((item, i) => update(parent.children[i], item, i));
}

function setTexts(element, texts) {
  for (const place of element.querySelectorAll('[data-text]')) {
    const text = String(texts[place.dataset.text]);
    if (place.textContent !== text) place.textContent = text;
  }
}

function setMeter(meter, label, value, peak, most) {
  const part = n => `${most > 0 ? Math.min(100, 100 * n / most) : 0}%`;
  meter.setAttribute('aria-label', label);
  meter.setAttribute('aria-valuemax', most);
  meter.setAttribute('aria-valuenow', value);
  meter.querySelector('i').style.width = part(value);
  meter.querySelector('b').style.left = `calc(${part(peak)} - ${peak > 0 ? 2 : 0}px)`;
  meter.querySelector('b').hidden = peak === 0;
  meter.classList.toggle('full', value >= most);
  meter.classList.toggle('high', value >= most * 0.75 && value < most);
}

const history = new Map();  // rates of a service, the last minute's

function setCurve(curve, name, now) {
  const rates = history.get(name) || [];
  rates.push(now);
  if (rates.length > 61) rates.shift();
  history.set(name, rates);
  const most = Math.max(1, ...rates);
  const from = 61 - rates.length;
  curve.setAttribute('points', rates.map((r, i) => `${from + i},${(23 - 22 * r / most).toFixed(2)}`).join(' '));
}

function showService(card, service) {
  const {name, active, capacity, peak} = service;
  const isFull = active >= capacity;
  setTexts(card, {
    name, address: service.address, rate: rate(service.requests_per_second),
    cap: `${count(active)} of ${count(capacity)} connections`,
    full: !isFull ? '' : service.waiting > 0 ? '– full, others wait' : '– full',
    waiting: count(service.waiting), refused: count(service.refused), peak: count(peak),
    accepted: count(service.accepted),
  });
  card.dataset.service = name;
  setMeter(card.querySelector('.meter'), `${name}: connections`, active, peak, capacity);
  setCurve(card.querySelector('polyline'), name, service.requests_per_second);
}

function showLoop(row, loop, index) {
  setTexts(row, {
    index, stacks: `${count(loop.stacks_in_use)} of ${count(loop.stacks)}`,
    peak: count(loop.stacks_peak), rate: rate(loop.requests_per_second),
  });
  setMeter(row.querySelector('.meter'), `loop ${index}: stacks`, loop.stacks_in_use, loop.stacks_peak, loop.stacks);
}

function setState(name, text) {
  const pill = byId('state');
  if (pill.textContent === text) return;
  pill.className = `pill ${name}`;
  pill.textContent = text;
}

function show(status, how) {
  fill(byId('services'), 'service', status.services, showService);
  fill(byId('loops'), 'loop', status.loops, showLoop);
  byId('uptime').textContent = duration(status.uptime_seconds);
  byId('version').textContent = `version ${status.version}`;
  status.draining ? setState('draining', 'draining') : setState('live', how);
}

// --- asking: events, and where they don't get through, again and again ---

let source = null;
let timer = 0;
let turns = 0;  // what was asked before the last stop() is not shown any more

function stop() {
  ++turns;
  clearTimeout(timer);
  if (source) source.close();
  source = null;
}

function listen() {
  stop();
  if (!window.EventSource) return poll(0);
  const events = source = new EventSource('status/events');
  const isPatient = () => {
    clearTimeout(timer);
    timer = setTimeout(() => poll(0), 5000);  // nothing comes
  };
  isPatient();
  events.onmessage = event => {
    isPatient();
    show(JSON.parse(event.data), 'live');
  };
  // Closed: they are refused. Else the connection has ended, and may soon be there again.
  events.onerror = () => poll(events.readyState === EventSource.CLOSED ? 0 : 13);
}

// Every fifteenth time it tries events once more.
async function poll(times) {
  stop();
  const turn = turns;
  try {
    const answer = await fetch('status.json', {cache: 'no-store', signal: AbortSignal.timeout(5000)});
    if (!answer.ok) throw new Error(answer.statusText);
    const status = await answer.json();
    if (turn === turns) show(status, 'every 2 s');
  } catch (error) {
    if (turn === turns) setState('lost', 'no answer');
  }
  if (turn !== turns) return;
  timer = setTimeout(() => times < 15 ? poll(times + 1) : listen(), 2000);
}

// A page that nobody sees takes no connection.
document.addEventListener('visibilitychange', () => document.hidden ? stop() : listen());
addEventListener('pagehide', stop);
addEventListener('pageshow', event => { if (event.persisted) listen(); });
listen();
