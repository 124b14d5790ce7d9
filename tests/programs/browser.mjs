// Looks at the status page in headless Chromium, as a person would, and says what is wrong with it.
//
//   node browser.mjs URL WIDTH HEIGHT light|dark ECHO_PORT STATE [SCREENSHOT.png]
//
// It speaks the DevTools protocol over Chromium's pipe: messages in JSON, each ended by a NUL. Exit
// status 0 if all is well; else what isn't is on standard error. STATE is how the page is to get its
// numbers: "live", or "every 2 s" where the server refuses events.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {connect} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const [url, width, height, scheme, echoPort, state, screenshot] = process.argv.slice(2);
const patience = 60_000;  // ms; never reached unless something is broken

function require(condition, what) {
  if (!condition) throw new Error(what);
}

class Browser {
  #child;
  #folder = mkdtempSync(join(tmpdir(), 'evcoro-browser-'));
  #rest = '';
  #next = 0;
  #calls = new Map();
  complaints = [];

  constructor() {
    this.#child = spawn('chromium', [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--no-proxy-server',
      '--ignore-certificate-errors', `--user-data-dir=${this.#folder}`, '--remote-debugging-pipe',
      'about:blank',
    ], {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true});
    this.#child.stdio[4].setEncoding('utf8').on('data', text => this.#receive(text));
    const fail = why => {
      for (const {reject} of this.#calls.values()) reject(new Error(why));
    };
    this.#child.on('error', error => fail(`chromium: ${error.message}`));
    this.#child.on('exit', () => fail('chromium has ended'));
    this.#child.stdio[3].on('error', () => {});
  }

  #receive(text) {
    const messages = (this.#rest + text).split('\0');
    this.#rest = messages.pop();
    for (const each of messages) this.#handle(JSON.parse(each));
  }

  #handle({id, result, error, method, params}) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (call) return error ? call.reject(new Error(error.message)) : call.resolve(result);
    if (method === 'Runtime.exceptionThrown') {
      const {text, exception} = params.exceptionDetails;
      this.complaints.push(`exception: ${text} ${exception?.description ?? ''}`);
    }
    const isError = ['error', 'warning', 'assert'].includes(params?.type);
    if (method === 'Runtime.consoleAPICalled' && isError) {
      this.complaints.push(`console: ${params.args.map(a => a.value).join(' ')}`);
    }
    const isRefusal = state !== 'live' && params?.entry?.url?.endsWith('/status/events');
    if (method === 'Log.entryAdded' && ['error', 'warning'].includes(params.entry.level) && !isRefusal) {
      this.complaints.push(`${params.entry.level}: ${params.entry.text} ${params.entry.url ?? ''}`);
    }
  }

  call(method, params = {}, sessionId = undefined) {
    const id = ++this.#next;
    this.#child.stdio[3].write(JSON.stringify({id, method, params, sessionId}) + '\0');
    return new Promise((resolve, reject) => this.#calls.set(id, {resolve, reject}));
  }

  // close() lets it end by itself: else others of its processes go on writing to the folder.
  async close() {
    if (this.#child.pid !== undefined && this.#child.exitCode === null) {
      const ended = new Promise(resolve => this.#child.once('close', resolve));
      const kill = setTimeout(() => process.kill(-this.#child.pid, 'SIGKILL'), 10_000);
      this.call('Browser.close').catch(() => {});
      await ended;
      clearTimeout(kill);
    }
    for (let tries = 0; tries < 100; ++tries) {
      try {
        return rmSync(this.#folder, {recursive: true, force: true});
      } catch {
        await new Promise(resolve => setTimeout(resolve, 50));
      }
    }
  }
}

class Page {
  #browser;
  #session;

  static async open(browser) {
    const page = new Page();
    page.#browser = browser;
    const {targetId} = await browser.call('Target.createTarget', {url: 'about:blank'});
    const {sessionId} = await browser.call('Target.attachToTarget', {targetId, flatten: true});
    page.#session = sessionId;
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.call(`${domain}.enable`);
    return page;
  }

  call(method, params) { return this.#browser.call(method, params, this.#session); }

  async value(expression) {
    const {result, exceptionDetails} = await this.call('Runtime.evaluate', {
      expression, returnByValue: true, awaitPromise: true});
    require(!exceptionDetails, `${expression}: ${exceptionDetails?.exception?.description}`);
    return result.value;
  }

  // until() looks again and again whether the expression is true.
  async until(expression) {
    const end = Date.now() + patience;
    while (!await this.value(expression)) {
      require(Date.now() < end, `never true: ${expression}\n${await this.value('document.body.innerText')}`);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
}

async function setUp(page) {
  await page.call('Emulation.setDeviceMetricsOverride', {
    width: Number(width), height: Number(height), deviceScaleFactor: 1, mobile: width < 600});
  await page.call('Emulation.setEmulatedMedia', {
    features: [{name: 'prefers-color-scheme', value: scheme}]});
}

const cap = "document.querySelector('[data-service=echo] .cap')?.textContent ?? ''";

async function checkEcho(page) {
  await page.until(`${cap}.startsWith('0 of ')`);
  const client = connect(Number(echoPort), '127.0.0.1');
  client.on('error', () => {});
  client.write('hello');
  await new Promise(resolve => client.once('data', resolve));
  await page.until(`${cap}.startsWith('1 of ')`);
  await page.until("document.querySelector('[data-service=echo] [data-text=accepted]')?.textContent > '0'");
  if (screenshot) await new Promise(resolve => setTimeout(resolve, 3000));
  return client;
}

async function checkLooks(page) {
  // A phone zooms out if the page is too wide: then innerWidth is as wide as that.
  const wide = await page.value('Math.max(document.documentElement.scrollWidth, innerWidth)');
  require(wide <= width, `the page is ${wide} pixels wide`);
  const cut = await page.value(`[...document.querySelectorAll('body *')].filter(
    e => e.getClientRects().length && e.getBoundingClientRect().right > ${width} + 1).map(e => e.outerHTML)`);
  require(cut.length === 0, `beyond the right edge: ${cut}`);
  const [r, g, b] = (await page.value('getComputedStyle(document.body).backgroundColor')).match(/\d+/g);
  const isDark = Number(r) + Number(g) + Number(b) < 3 * 128;
  require(isDark === (scheme === 'dark'), `the background is ${r}, ${g}, ${b}`);
}

async function look(browser) {
  const page = await Page.open(browser);
  await setUp(page);
  const {errorText} = await page.call('Page.navigate', {url});
  require(!errorText, `${url}: ${errorText}`);
  await page.until(`document.getElementById('state')?.textContent === '${state}'`);
  await page.until("document.querySelectorAll('#loops tr').length > 0");
  const client = await checkEcho(page);
  await checkLooks(page);
  if (screenshot) {
    const {data} = await page.call('Page.captureScreenshot', {format: 'png', captureBeyondViewport: true});
    writeFileSync(screenshot, Buffer.from(data, 'base64'));
  }
  client.destroy();
  await page.until(`${cap}.startsWith('0 of ')`);
  require(browser.complaints.length === 0, browser.complaints.join('\n'));
}

const browser = new Browser();
process.on('SIGTERM', () => browser.close().then(() => process.exit(1)));
try {
  await look(browser);
  console.log('all is well');
} catch (error) {
  console.error(error.message, browser.complaints.join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}
