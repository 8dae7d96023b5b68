'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const pods = data.pods, table = document.querySelector('table'), why = document.getElementById('why');
const SIGN = {a: '✓', n: '✗', s: '½', x: '', '-': '–'};
const WORD = {a: 'allowed', n: 'denied', s: 'some of the ports', x: 'no such port or address',
  '-': 'the pod itself'};
const CLASS = {a: 'a', n: 'n', s: 's', x: 'x', '-': 'self'};
const byId = id => document.getElementById(id);
const esc = text => text.replace(/[&<>"]/g, c => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'})[c]);
const full = i => pods[i].ns + '/' + pods[i].name;
const merge = byId('merge');
const groupOf = new Map();  // By the pod that stands for the others.
const standsFor = [];        // The pod that stands for each.
for (const group of data.groups) {
  groupOf.set(group.members[0], group);
  for (const member of group.members) standsFor[member] = group.members[0];
}
const shown = i => merge.checked ? groupOf.get(i).label : pods[i].name;
/* Within a group its members' way to each other counts, not that to themselves. */
const partner = (row, col) =>
  merge.checked && row === col && groupOf.get(row).members.length > 1 ? groupOf.get(row).members[1] : col;
/* The beginning and the end tell pods apart: what does not fit is left out between them. */
const brief = (text, max) => text.length <= max ? text
  : text.slice(0, Math.ceil(max * 0.6)) + '…' + text.slice(1 - Math.floor(max * 0.4));
const DRAWN_MAX = 300;  // Rows and columns; of more, a browser draws for seconds.
let pinned = null;

/* The judged ports of a cell that are allowed: in no direction a reason begins with a denial. */
function allowedPorts(row, col) {
  const ids = data.cells[data.why[row][col]], open = [];
  const denied = id => data.lines[data.reasons[id][0]][1] === 2;
  for (let i = 0; i < ids.length; i += 3) {
    if (!denied(ids[i + 1]) && !denied(ids[i + 2])) open.push(pods[col].ports[ids[i]]);
  }
  return {open, judged: ids.length / 3};
}

/* ---- the table ---- */

/* Terms are ANDed; a leading minus excludes. Labels match too: app=web. */
function chosen(text) {
  const terms = text.toLowerCase().split(/\s+/).filter(Boolean);
  return pods.map((_, i) => i).filter(i => !merge.checked || groupOf.has(i)).filter(i => {
    const hay = (full(i) + ' ' + pods[i].labels.join(' ')).toLowerCase();
    return terms.every(t => t[0] === '-' && t.length > 1 ? !hay.includes(t.slice(1)) : hay.includes(t));
  });
}

const begins = (list, at) => at === 0 || pods[list[at]].ns !== pods[list[at - 1]].ns;

let rows = [], cols = [];
function draw() {
  const allRows = chosen(byId('from').value), allCols = chosen(byId('to').value);
  rows = allRows.slice(0, DRAWN_MAX);
  cols = allCols.slice(0, DRAWN_MAX);
  let html = '<thead><tr><th class="corner">to &rarr;</th>';
  for (let c = 0; c < cols.length;) {
    let end = c + 1;
    while (end < cols.length && !begins(cols, end)) ++end;
    const ns = esc(pods[cols[c]].ns);
    html += `<th class="ns" colspan="${end - c}" scope="colgroup" title="${ns}">${ns}</th>`;
    c = end;
  }
  html += '</tr><tr><th class="corner">from &darr;</th>';
  cols.forEach((col, c) => {
    html += `<th scope="col" id="c${col}" tabindex="-1" class="${begins(cols, c) ? 'first' : ''}" ` +
      `title="${esc(full(col))}"><div class="up">${esc(brief(shown(col), 38))}</div></th>`;
  });
  html += '</tr></thead><tbody>';
  rows.forEach((row, r) => {
    if (begins(rows, r)) {
      html += `<tr class="ns"><th scope="rowgroup">${esc(pods[row].ns)}</th>` +
        (cols.length ? `<td class="pad" colspan="${cols.length}"></td>` : '') + '</tr>';
    }
    html += `<tr><th scope="row" id="r${row}" tabindex="-1" title="${esc(full(row))}">` +
      `<span>${esc(brief(shown(row), 38))}</span></th>`;
    cols.forEach((col, c) => {
      const to = partner(row, col), reach = data.reach[row][to];
      html += `<td role="gridcell" tabindex="-1" id="x${row}-${col}" ` +
        `class="${CLASS[reach]}${begins(cols, c) ? ' first' : ''}">${reach === 's' ? '' : SIGN[reach]}</td>`;
    });
    html += '</tr>';
  });
  table.innerHTML = html + '</tbody>';
  const first = table.querySelector('td[id]');
  if (first) first.tabIndex = 0;
  const cut = (name, all, drawn) => all.length > drawn.length
    ? [`${drawn.length} of ${all.length} ${name}`] : [];
  const left = [...cut('rows', allRows, rows), ...cut('columns', allCols, cols)];
  byId('notice').textContent = left.length ? `Only ${left.join(' and ')} are drawn: narrow them by a filter.` : '';
  pinned = null;
  lit = [];
  if (!first) why.innerHTML = '<h2>Nothing matches the filters</h2>'; else introduce();
  fit();
}

/* Cells as large as lets the whole table be seen, within what can be read. */
function fit() {
  const head = table.querySelector('tbody th[id]');
  if (!head) return;
  const area = byId('scroll');
  const wide = (area.clientWidth - head.offsetWidth - 8) / cols.length;
  const high = (area.clientHeight - table.tHead.offsetHeight) / (rows.length + 3);
  const size = Math.max(16, Math.min(34, Math.floor(Math.min(wide, Math.max(high, 22)))));
  table.className = size < 20 ? 'dense' : size >= 30 ? 'roomy' : '';
  table.style.setProperty('--size', size + 'px');
  for (const cell of table.querySelectorAll('td.s')) {
    const [row, col] = ends(cell), {open, judged} = allowedPorts(row, partner(row, col));
    cell.textContent = size < 26 ? '' : `${open.length}/${judged}`;
  }
}

/* ---- why ---- */

function line(entry, row, col) {
  const [depth, mark, text, at] = entry;
  const said = text.replaceAll('\u0001', full(row)).replaceAll('\u0002', full(col))
    .replaceAll('\u0003', pods[row].addresses[0]).replaceAll('\u0004', pods[col].addresses[0]);
  return `<div class="reason ${['', 'good', 'bad'][mark]}" style="margin-left:${depth * 14}px">` +
    `<b>${['', '✓', '✗'][mark]}</b>${esc(said)}${at ? ` <span class="at" title="${esc(at)}">${esc(at.slice(at.lastIndexOf('/') + 1))}</span>` : ''}</div>`;
}

function place(i) {
  const pod = pods[i];
  const group = merge.checked && groupOf.get(i);
  const alike = group ? group.members.length - 1 : 0;
  return `<div class="dim">${esc(full(i))}${alike ? ` and ${alike} alike` : ''}: ${esc(pod.addresses.join(', '))}` +
    `${pod.node ? ' on ' + esc(pod.node) : ''}<br>${esc(pod.labels.join(' ') || 'no labels')}</div>`;
}

function explain(row, column) {
  const col = partner(row, column);
  const reach = data.reach[row][col];
  const tone = reach === 'a' || reach === '-' ? 'good' : reach === 'x' ? '' : 'bad';
  let html = `<h2>${esc(full(row))} &rarr; ${esc(full(col))}</h2>` +
    `<div class="verdict ${tone}">${SIGN[reach]} ${WORD[reach]}</div>` + place(row) + place(col);
  if (reach === '-') html += '<h3>A pod always reaches itself</h3><div>Policies do not apply to it.</div>';
  if (reach === 'x') html += '<h3>Nothing to judge</h3><div>The destination has no such port, or both ends share no address family.</div>';
  const ids = data.cells[data.why[row][col]];
  for (let i = 0; i < ids.length; i += 3) {
    html += `<h3>port ${esc(pods[col].ports[ids[i]])}</h3>`;
    for (const id of [ids[i + 1], ids[i + 2]]) {
      for (const entry of data.reasons[id]) html += line(data.lines[entry], row, col);
    }
  }
  why.innerHTML = html;
}

/* What one pod reaches (rows), or who reaches it (columns), among what is drawn. */
function summarize(head) {
  const i = Number(head.id.slice(1)), source = head.id[0] === 'r';
  const found = {a: [], s: [], n: [], x: []};
  for (const other of source ? cols : rows) {
    const [row, col] = source ? [i, other] : [other, i], to = partner(row, col);
    const reach = data.reach[row][to];
    if (reach === '-') continue;
    const some = reach === 's' ? ' on ' + allowedPorts(row, to).open.join(', ') : '';
    found[reach].push(`<li><button type="button" class="go" data-cell="x${row}-${col}">` +
      `${esc(pods[other].ns + '/' + shown(other))}</button>${esc(some)}</li>`);
  }
  why.innerHTML = `<h2>${source ? 'From' : 'To'} ${esc(pods[i].ns + '/' + shown(i))}</h2>` + place(i) +
    ['a', 's', 'n', 'x'].filter(k => found[k].length).map(k =>
      `<h3>${SIGN[k]} ${WORD[k]}: ${found[k].length}</h3><ul>${found[k].join('')}</ul>`).join('');
}

function introduce() {
  const count = {a: 0, n: 0, s: 0, x: 0, '-': 0};
  for (const row of data.reach) for (const reach of row) ++count[reach];
  const wrong = data.problems.length === 0 ? '' : '<h3 class="bad">The input has problems: what they touch is ' +
    'judged as denied</h3>' + data.problems.map(p => `<div class="reason">${esc(p)}</div>`).join('');
  why.innerHTML = `<h2>${pods.length} pods ${esc(data.subject)}</h2>` + wrong +
    ['a', 's', 'n', 'x'].filter(k => count[k]).map(k => `<div>${SIGN[k]} ${count[k].toLocaleString('en')} ` +
      `${WORD[k]}</div>`).join('') +
    '<h3>Why?</h3><div>Point at a cell to see which policies decide it; click or <kbd>Enter</kbd> ' +
    'keeps it, <kbd>Esc</kbd> lets go. A name in the margin tells all that the pod reaches, or who reaches it. ' +
    'The arrow keys walk through the table, <kbd>/</kbd> filters.</div>' +
    `<p class="dim">Judged from the policies by podfence ${esc(data.version)}.</p>`;
}

/* ---- pointer and keyboard ---- */

const ends = cell => cell.id.slice(1).split('-').map(Number);
let lit = [];
function show(cell) {
  for (const head of lit) head.classList.remove('hit');
  const [row, col] = ends(cell);
  lit = [byId('r' + row), byId('c' + col)];
  for (const head of lit) head.classList.add('hit');
  if (pinned === null || pinned === cell) explain(row, col);
}

/* A pinned cell stands in the address: the page can be sent with it. */
function remember() {
  const words = new URLSearchParams(location.hash.slice(1));
  for (const key of ['from', 'to']) words.delete(key);
  if (pinned) {
    const [row, col] = ends(pinned);
    words.set('from', full(row));
    words.set('to', full(partner(row, col)));
  }
  history.replaceState(null, '', '#' + words.toString().replaceAll('%2F', '/'));
}

function unpin() {
  if (pinned) pinned.classList.remove('pin');
  pinned = null;
}

function pin(cell) {
  const again = pinned === cell;
  unpin();
  if (!again) {
    pinned = cell;
    cell.classList.add('pin');
    show(cell);
  }
  remember();
}

/* The cell of two pods by their names, as in #from=shop/web&to=shop/db. */
function pinByName(from, to) {
  const find = name => pods.findIndex((_, i) => full(i) === name);
  let [row, col] = [find(from), find(to)];
  if (row < 0 || col < 0) return;
  if (merge.checked) [row, col] = [standsFor[row], standsFor[col]];
  const cell = byId(`x${row}-${col}`);
  if (!cell || pinned === cell) return;
  cell.scrollIntoView({block: 'center', inline: 'center'});
  pin(cell);
}

const cellOf = event => event.target.closest && event.target.closest('td[id]');
const headOf = event => event.target.closest && event.target.closest('th[id]');
table.addEventListener('mouseover', event => { const cell = cellOf(event); if (cell) show(cell); });
table.addEventListener('click', event => {
  const cell = cellOf(event), head = headOf(event);
  if (cell) pin(cell);
  if (head) { unpin(); remember(); summarize(head); }
});
why.addEventListener('click', event => {
  const cell = event.target.dataset.cell && byId(event.target.dataset.cell);
  if (!cell) return;
  cell.focus({preventScroll: true});
  cell.scrollIntoView({block: 'nearest', inline: 'nearest'});
  pin(cell);
});
table.addEventListener('focusin', event => {
  const cell = cellOf(event);
  if (!cell) return;
  for (const old of table.querySelectorAll('td[tabindex="0"]')) old.tabIndex = -1;
  cell.tabIndex = 0;
  const [row, col] = ends(cell);
  const to = partner(row, col);
  cell.setAttribute('aria-label', `${full(row)} to ${full(to)}: ${WORD[data.reach[row][to]]}`);
  show(cell);
});
table.addEventListener('keydown', event => {
  const at = cellOf(event) || headOf(event);
  if (!at) return;
  const inHead = at.closest('thead') !== null, index = at.cellIndex;
  const lines = [...table.tBodies[0].rows].filter(line => !line.classList.contains('ns'));
  const line = inHead ? -1 : lines.indexOf(at.parentElement);
  const names = table.tHead.rows[1];
  const down = by => {
    const next = line + by;
    return next < 0 ? names.cells[index] : lines[Math.min(next, lines.length - 1)].cells[index];
  };
  const to = {
    ArrowLeft: () => at.parentElement.cells[index - 1], ArrowRight: () => at.parentElement.cells[index + 1],
    ArrowUp: () => down(-1), ArrowDown: () => down(1), PageUp: () => down(-10), PageDown: () => down(10),
    Home: () => at.parentElement.cells[1], End: () => at.parentElement.cells[at.parentElement.cells.length - 1],
  }[event.key];
  if (to) {
    const next = to();
    if (next && next.id) { next.focus({preventScroll: true}); next.scrollIntoView({block: 'nearest', inline: 'nearest'}); }
  } else if (event.key === 'Enter' || event.key === ' ') {
    at.click();
  } else {
    return;
  }
  event.preventDefault();
});
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && pinned) { unpin(); remember(); }
  if (event.key === '/' && event.target.tagName !== 'INPUT') { byId('from').focus(); event.preventDefault(); }
});

/* ---- the rest ---- */

const root = document.documentElement;
root.dataset.theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
byId('theme').addEventListener('click', () => {
  root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
});
byId('merging').hidden = data.groups.length === pods.length;
byId('subject').textContent = data.subject;
const present = new Set(data.reach.flatMap(row => [...row]));
byId('legend').innerHTML = ['a', 's', 'n', 'x'].filter(k => present.has(k)).map(k =>
  `<button type="button" class="key" data-key="${k}" aria-pressed="false"><i class="i-${k}">${k === 's' ? '' : SIGN[k]}</i>${WORD[k]}</button>`).join('');
byId('legend').addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  const on = table.dataset.only !== button.dataset.key;
  for (const other of byId('legend').children) other.setAttribute('aria-pressed', on && other === button);
  if (on) table.dataset.only = button.dataset.key; else delete table.dataset.only;
});

/* #from=NS/POD&to=NS/POD opens the page at a cell; rows=, cols= filter, merge=0 or 1. */
function load() {
  const words = new URLSearchParams(location.hash.slice(1));
  byId('from').value = words.get('rows') || '';
  byId('to').value = words.get('cols') || '';
  merge.checked = data.groups.length < pods.length && (words.has('merge') ? words.get('merge') === '1' : pods.length > 60);
  draw();
  if (words.has('from') && words.has('to')) pinByName(words.get('from'), words.get('to'));
}
function filter() {
  const words = new URLSearchParams();
  if (byId('from').value) words.set('rows', byId('from').value);
  if (byId('to').value) words.set('cols', byId('to').value);
  if (!byId('merging').hidden) words.set('merge', merge.checked ? '1' : '0');
  history.replaceState(null, '', '#' + words);
  draw();
}
merge.addEventListener('change', filter);
for (const id of ['from', 'to']) byId(id).addEventListener('input', filter);
window.addEventListener('resize', fit);
window.addEventListener('hashchange', load);
load();
