"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = name => document.getElementById(name);
const PAGE = 30;  // dubs that are added when the last one comes into view
const COLOURS = ["#2f6db3", "#d97706", "#15803d", "#9333ea", "#be123c", "#0e7490", "#4d7c0f", "#a16207"];
const VERDICTS = [["accept", "Accept"], ["redo", "Redo"], ["wrong_person", "Wrong person"]];
const WORDS = {done: "done", failed: "failed", no_face: "nobody dubbed"};
const colour = person => COLOURS[person % COLOURS.length];
const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many || one + "s"}`;

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") made.style.cssText = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}
const clock = seconds => {
  const whole = Math.max(0, seconds), minutes = Math.floor(whole / 60);
  return `${minutes}:${(whole - 60 * minutes).toFixed(1).padStart(4, "0")}`;
};

// What the reviewer said, kept by the browser: id -> {verdict, person, note, time, print}. A dub made anew is not reviewed.
const KEY = `lipsync_ray review ${location.pathname}`;
const dubs = data.dubs.map((dub, place) => ({...dub, place, warnings: (dub.warnings || []).map(n => data.texts[n])}));
let kept = true;
const review = new Map();
try {
  const prints = new Map(dubs.map(dub => [dub.id, dub.print || ""]));
  for (const [id, said] of Object.entries(JSON.parse(localStorage.getItem(KEY) || "{}")))
    if (prints.get(id) === said.print) review.set(id, said);
} catch (error) { kept = false; }
function keep() {
  try { localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(review))); } catch (error) { kept = false; }
}
function say(dub, change) {
  const before = review.get(dub.id) || {person: "", note: ""};
  if (change === null) review.delete(dub.id);
  else review.set(dub.id, {...before, ...change, time: new Date().toISOString(), print: dub.print || ""});
  keep();
  told();
}
function told() {
  byId("reviewed").textContent = review.size.toLocaleString("en");
  byId("save").disabled = !review.size;
  if (!kept && review.size) note("This browser keeps nothing for this page: save the review before you close it.", true);
}
function note(text, bad) {
  const box = byId("said");
  box.hidden = false;
  box.classList.toggle("bad", Boolean(bad));
  box.replaceChildren(...(Array.isArray(text) ? text : [text]));
}
const cell = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
function csv() {
  const lines = ["id,verdict,person,note,time"];
  for (const dub of dubs) {
    const said = review.get(dub.id);
    if (said) lines.push([dub.id, said.verdict, said.person, said.note, said.time].map(cell).join(","));
  }
  return lines.join("\n") + "\n";
}
byId("save").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([csv()], {type: "text/csv"}));
  const link = element("a", {href: url, download: "review.csv"});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  const again = [...review.values()].filter(said => said.verdict !== "accept").length;
  note(again ? [`review.csv is in your downloads. ${count(again, "dub")} to make anew: run the same command once more with `, element("code", {}, "--redo review.csv"), "."]
    : "review.csv is in your downloads. Nothing in it is to be made anew.");
});

// Players: a dub's pair gets its files when it comes near, and gives them back when it is far away.
let playing = null;
function sourceTime(seconds, lasts) {
  if (!lasts || seconds <= lasts) return seconds;
  if (data.loop === "freeze") return lasts;
  const into = seconds % (data.loop === "restart" ? lasts : 2 * lasts);
  return into <= lasts ? into : 2 * lasts - into;
}
function away(url, what) {
  return element("div", {class: "away"}, `${what} not reachable from here, or of a kind that this browser does not play`, element("br"), url);
}
class Pair {
  constructor(dub) {
    this.dub = dub;
    const shape = dub.size ? `aspect-ratio: ${dub.size[0]} / ${dub.size[1]}` : null;
    this.left = element("div", {class: "screen", style: shape});
    this.right = element("div", {class: "screen", style: shape});
    this.source = this.made = null;
    this.heard = "dub";
    if (!dub.dub) this.right.append(element("div", {class: "away"}, dub.status === "failed" ? "not made" : "nobody was dubbed; nothing was made"));
    this.time = element("span", {class: "time"});
    this.button = element("button", {class: "play", onclick: () => this.toggle()}, "▶ Play both");
    this.ear = element("button", {class: "ear", onclick: () => this.listen(this.heard === "dub" ? "source" : "dub")}, "Hear the source");
    this.controls = element("div", {class: "controls"}, this.button, this.ear, this.time);
    if (!dub.dub) this.button.textContent = "▶ Play the source";
    this.ear.hidden = !dub.dub || Boolean(dub.still);
    this.controls.hidden = !dub.dub && Boolean(dub.still);
    this.onmove = this.onlength = () => {};
  }
  get leader() { return this.made || this.source; }
  get seconds() { return this.leader ? this.leader.currentTime : 0; }
  show() {
    if (this.attached) return;
    this.attached = true;
    if (this.dub.still) {
      const picture = element("img", {src: this.dub.source, alt: "the source", loading: "lazy"});
      picture.addEventListener("error", () => this.left.replaceChildren(away(this.dub.source, "source")));
      this.left.replaceChildren(picture);
    } else if (/^(?!file:|https?:)[a-z][a-z0-9+.-]*:/i.test(this.dub.source)) {
      this.left.replaceChildren(away(this.dub.source, "source"));  // of a bucket
      this.ear.hidden = true;
      this.controls.hidden = !this.dub.dub;
    } else {
      this.source = this.video(this.dub.source, this.left, "source", () => { this.source = null; this.ear.hidden = true; this.controls.hidden = !this.dub.dub; });
      this.source.muted = Boolean(this.dub.dub);
      this.source.addEventListener("loadedmetadata", () => this.onlength(this.source.duration));
    }
    if (this.dub.dub) this.made = this.video(this.dub.dub, this.right, "dub", () => { this.made = null; });
    const leader = this.leader;
    if (!leader) return;
    leader.addEventListener("timeupdate", () => this.follow());
    leader.addEventListener("seeked", () => this.follow(true));
    leader.addEventListener("ended", () => this.pause());
    leader.addEventListener("loadedmetadata", () => this.follow());
    this.listen(this.heard);
  }
  video(url, screen, what, gone) {
    const video = element("video", {src: url, preload: "metadata", playsinline: true, onclick: () => this.toggle()});
    video.addEventListener("error", () => {
      if (!this.attached || video !== this.source && video !== this.made) return;
      gone();
      screen.replaceChildren(away(url, what));
    });
    screen.replaceChildren(video);
    return video;
  }
  hide() {
    if (!this.attached || playing === this) return;
    this.attached = false;
    for (const video of [this.source, this.made]) if (video) { video.removeAttribute("src"); video.load(); video.remove(); }
    this.source = this.made = null;
  }
  follow(force) {
    const leader = this.leader, lasts = leader && Number.isFinite(leader.duration) ? leader.duration : this.dub.seconds || 0;
    this.time.textContent = `${clock(this.seconds)} / ${clock(lasts)}`;
    if (this.made && this.source && this.source.readyState) {
      const wanted = sourceTime(this.made.currentTime, this.source.duration);
      if (force || Math.abs(this.source.currentTime - wanted) > .15) this.source.currentTime = wanted;
      if (playing === this && this.source.paused && wanted < this.source.duration) this.source.play().catch(() => {});
    }
    this.onmove();
  }
  toggle() { playing === this ? this.pause() : this.play(); }
  play() {
    if (playing) playing.pause();
    this.show();
    if (!this.leader) return;
    playing = this;
    this.button.textContent = "❚❚ Pause";
    if (this.leader.ended) this.leader.currentTime = 0;
    this.leader.play().catch(() => this.pause());
    if (this.made && this.source) this.source.play().catch(() => {});
    const step = () => { if (playing === this) { this.onmove(); requestAnimationFrame(step); } };
    step();
  }
  pause() {
    if (playing === this) playing = null;
    for (const video of [this.source, this.made]) if (video) video.pause();
    this.button.textContent = this.dub.dub ? "▶ Play both" : "▶ Play the source";
  }
  seek(seconds) {
    this.show();
    const leader = this.leader;
    if (!leader) return;
    const go = () => { leader.currentTime = Math.min(seconds, leader.duration || seconds); };
    leader.readyState ? go() : leader.addEventListener("loadedmetadata", go, {once: true});
  }
  listen(who) {
    this.heard = who;
    if (this.made) this.made.muted = who !== "dub" && Boolean(this.source);
    if (this.source) this.source.muted = who !== "source" && Boolean(this.made);
    this.ear.textContent = who === "dub" ? "Hear the source" : "Hear the dub";
  }
}

function facesOf(dub) { return dub.video === undefined ? [] : data.people[dub.video]; }
function lanesOf(dub) {
  const lanes = new Map();
  for (const [start, end, person] of dub.turns || []) {
    if (!lanes.has(person)) lanes.set(person, []);
    lanes.get(person).push([start, end]);
  }
  const found = [...lanes].sort((a, b) => a[0] - b[0]).map(([person, spans]) =>
    ({name: `person ${person}`, spans: spans.map(([start, end]) => [start, end, colour(person), `person ${person}`])}));
  const lines = (dub.lines || []).map(([start, end, person, text]) => [start, end, person === null ? "#94a3b8" : colour(person), text || "a line"]);
  return lines.length ? [...found, {name: "lines", spans: lines}] : found;
}
function timeline(dub, pair) {
  const lanes = lanesOf(dub);
  if (!lanes.length) return null;
  let last = Math.max(1, ...lanes.flatMap(lane => lane.spans.map(span => span[1])));  // until the source says how long it is
  const head = element("div", {class: "head"}), beyond = element("div", {class: "beyond", title: "the dub has ended"});
  const end = element("span", {}), box = element("div", {class: "lanes", title: "who of the source's people was dubbed when; click to go there"});
  const draw = () => {
    box.replaceChildren(...lanes.map(lane => element("div", {class: "lane"}, element("b", {}, lane.name),
      ...lane.spans.map(([start, stop, shade, text]) => element("span", {
        title: `${text}: ${clock(start)} – ${clock(stop)}`,
        style: `left: ${100 * start / last}%; width: ${100 * (stop - start) / last}%; background: ${shade}`})))), beyond, head);
    beyond.hidden = !(dub.seconds < last - .05);
    beyond.style.left = `${100 * Math.min(1, (dub.seconds || 0) / last)}%`;
    end.textContent = clock(last);
    pair.onmove();
  };
  box.addEventListener("click", event => {
    const edges = box.getBoundingClientRect();
    pair.seek(Math.max(0, event.clientX - edges.left) / edges.width * last);
  });
  pair.onmove = () => {
    const now = pair.made && pair.source ? sourceTime(pair.seconds, pair.source.duration) : pair.seconds;
    head.style.left = `${100 * Math.min(1, now / last)}%`;
  };
  pair.onlength = seconds => { if (Number.isFinite(seconds) && seconds > last) { last = seconds; draw(); } };
  draw();
  return element("div", {}, box, element("div", {class: "scale"}, element("span", {}, "0:00"), element("span", {}, "time of the source"), end));
}
function face(person, picture, text, button) {
  const image = picture ? element("img", {src: picture, alt: ""}) : element("i", {}, person === "nobody" ? "∅" : "?");
  const dot = person === "nobody" ? null : element("em", {style: `background: ${colour(person)}`});
  return element(button ? "button" : "div", {class: "face", "data-person": button ? (person === "nobody" ? person : `person:${person}`) : null},
    image, dot, person === "nobody" ? "nobody" : `person ${person}`, text ? element("br") : null, text || null);
}
function lasting(dub, person) {
  if (!dub.turns) return "";
  const seconds = dub.turns.filter(turn => turn[2] === person).reduce((sum, turn) => sum + turn[1] - turn[0], 0);
  return seconds ? `${seconds.toFixed(1)} s dubbed` : "not dubbed";
}
function strip(dub) {
  const faces = facesOf(dub);
  return element("div", {class: "faces strip", hidden: !faces.length}, ...faces.map(([person, picture]) => face(person, picture, lasting(dub, person), false)));
}
function verdicts(dub, card, strip) {
  const said = () => review.get(dub.id);
  const box = element("div", {class: "verdicts"});
  const who = element("div", {class: "choose", hidden: true});
  const words = element("input", {class: "note", placeholder: "note (optional)", "aria-label": `note on ${dub.id}`, maxlength: 400});
  words.addEventListener("change", () => said() && say(dub, {note: words.value.trim()}));
  const paint = () => {
    const now = said();
    for (const button of box.children) button.setAttribute("aria-pressed", String(Boolean(now) && button.dataset.verdict === now.verdict));
    for (const button of who.querySelectorAll("button")) button.setAttribute("aria-pressed", String(Boolean(now) && button.dataset.person === now.person));
    for (const [name] of VERDICTS) card.classList.toggle(name, Boolean(now) && now.verdict === name);
    if (!now || now.verdict !== "wrong_person") who.hidden = who.hidden || !choosing;
    else who.hidden = false;
    strip.hidden = !who.hidden || !strip.children.length;
    words.hidden = !now;
    words.value = now ? now.note : "";
  };
  let choosing = false;
  for (const [name, label] of VERDICTS) {
    box.append(element("button", {class: name, "data-verdict": name, "aria-pressed": "false", onclick: () => {
      const same = said() && said().verdict === name;
      if (same) { choosing = false; say(dub, null); who.hidden = true; }
      else if (name === "wrong_person") { choosing = who.hidden; who.hidden = !choosing; }
      else { choosing = false; who.hidden = true; say(dub, {verdict: name, person: ""}); }
      paint();
    }}, label));
  }
  const faces = dub.several ? [] : facesOf(dub);  // of several voices, each has its face in the table
  who.append(element("p", {class: "who"}, dub.several ? "Several voices: correct their faces in the table. Or dub nobody?" : faces.length ? "Who is to be dubbed, from the first frame to the last?" : "No picture of this video's people is here. Dub nobody?"));
  const choices = element("div", {class: "faces"});
  for (const [person, picture] of [...faces, ["nobody", null]]) {
    const one = face(person, picture, person === "nobody" ? "" : lasting(dub, person), true);
    one.addEventListener("click", () => { choosing = false; say(dub, {verdict: "wrong_person", person: one.dataset.person}); paint(); });
    choices.append(one);
  }
  who.append(choices);
  paint();
  return element("div", {}, box, who, words);
}
function facts(dub) {
  const frames = dub.frames, share = n => frames ? ` (${(100 * n / frames).toFixed(n && n < frames / 100 ? 1 : 0)} %)` : "";
  const rows = [
    ["frames", frames === undefined ? null : `${frames.toLocaleString("en")} in ${clock(dub.seconds || 0)}`],
    ["hidden mouth", dub.hidden === undefined ? null : `${dub.hidden.toLocaleString("en")} frames${share(dub.hidden)}`],
    ["without a face", dub.faceless === undefined ? null : `${dub.faceless.toLocaleString("en")} frames${share(dub.faceless)}`],
    ["size", dub.size ? dub.size.join(" × ") : null],
    ["after a review", dub.decision ? [dub.decision.person ? dub.decision.person.replace(":", " ") : "made anew", dub.decision.note].filter(Boolean).join("; ") : null],
  ];
  return element("dl", {class: "facts"}, ...rows.filter(row => row[1]).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}
function cardOf(dub) {
  const pair = new Pair(dub);
  const faces = strip(dub), card = element("section", {class: "card dub", "data-id": dub.id, tabindex: "-1"});
  const name = dub.source.replace(/\/+$/, "").split("/").pop();
  let shown = name;
  try { shown = decodeURIComponent(name); } catch (error) { /* not a percent-encoded name */ }
  card.append(
    element("header", {}, element("h2", {}, dub.id), element("span", {class: `badge ${dub.status}`}, WORDS[dub.status] || dub.status),
      dub.language ? element("span", {}, dub.language) : null, dub.model !== undefined ? element("span", {class: "soft"}, data.models[dub.model]) : null),
    element("div", {class: "grid"},
      element("div", {},
        element("div", {class: "pair"},
          element("figure", {}, pair.left, element("figcaption", {title: dub.source}, `source: ${shown}`)),
          element("figure", {}, pair.right, element("figcaption", {}, dub.dub ? "dub" : "no dub"))),
        pair.controls, timeline(dub, pair)),
      element("div", {},
        dub.error !== undefined ? element("p", {class: dub.status === "failed" ? "bad" : "warn"}, `${dub.stage || "?"}: ${data.texts[dub.error]}`) : null,
        facts(dub),
        dub.warnings.length ? element("ul", {class: "warnings"}, ...dub.warnings.map(text => element("li", {}, text))) : null,
        faces, verdicts(dub, card, faces))));
  card.pair = pair;
  return card;
}

// The list: filtered, sorted, and longer as one scrolls.
const options = (name, pairs) => byId(name).append(...pairs.map(([value, text]) => element("option", {value}, text)));
const tally = test => dubs.filter(test).length.toLocaleString("en");
options("status", [["", `all (${dubs.length.toLocaleString("en")})`], ...Object.keys(WORDS).filter(s => dubs.some(d => d.status === s)).map(s => [s, `${WORDS[s]} (${tally(d => d.status === s)})`])]);
options("warned", [["", "with or without"], ["some", `with (${tally(d => d.warnings.length)})`], ["none", `without (${tally(d => !d.warnings.length)})`]]);
options("language", [["", "all"], ...[...new Set(dubs.map(d => d.language || ""))].sort().map(l => [l || "-", `${l || "none"} (${tally(d => (d.language || "") === l)})`])]);
byId("language").parentElement.hidden = byId("language").options.length < 3;
options("verdict", [["", "all"], ["open", "not reviewed"], ...VERDICTS]);
const trouble = dub => (dub.status === "failed" ? 0 : dub.status === "no_face" ? 1 : dub.warnings.length ? 2 : 3);
const part = (dub, name) => (dub[name] || 0) / (dub.frames || 1);
const SORTS = {
  trouble: (a, b) => trouble(a) - trouble(b), table: () => 0, id: (a, b) => a.id.localeCompare(b.id, "en", {numeric: true}),
  hidden: (a, b) => part(b, "hidden") - part(a, "hidden"), faceless: (a, b) => part(b, "faceless") - part(a, "faceless"),
  seconds: (a, b) => (b.seconds || 0) - (a.seconds || 0),
};
let listed = [], added = 0;
const near = new IntersectionObserver(entries => {
  for (const entry of entries) entry.isIntersecting ? entry.target.pair.show() : entry.target.pair.hide();
}, {rootMargin: "200px"});
function more() {
  const cards = listed.slice(added, added + PAGE).map(cardOf);
  added += cards.length;
  byId("dubs").append(...cards);
  cards.forEach(card => near.observe(card));
  byId("end").textContent = added < listed.length ? `${added} of ${listed.length.toLocaleString("en")}; scroll for more` : listed.length ? "" : "No dub fits these filters.";
}
function list() {
  const [status, warned, language, verdict] = ["status", "warned", "language", "verdict"].map(name => byId(name).value);
  const words = byId("find").value.trim().toLowerCase();
  listed = dubs.filter(dub => (!status || dub.status === status)
    && (!warned || (warned === "some") === Boolean(dub.warnings.length))
    && (!language || (dub.language || "-") === language)
    && (!verdict || (review.has(dub.id) ? review.get(dub.id).verdict : "open") === verdict)
    && (!words || dub.id.toLowerCase().includes(words)));
  listed.sort((a, b) => SORTS[byId("sort").value](a, b) || a.place - b.place);
  if (playing) playing.pause();
  near.disconnect();
  for (const card of byId("dubs").children) card.pair.hide();
  byId("dubs").replaceChildren();
  added = 0;
  byId("shown").textContent = listed.length === dubs.length ? "" : `${listed.length.toLocaleString("en")} shown`;
  more();
}
// Keys, for who reviews hundreds: they act on the dub that J and K have gone to.
let current = null;
function go(step) {
  const cards = [...byId("dubs").children];
  if (!cards.length) return;
  const next = current && current.isConnected ? cards.indexOf(current) + step : cards.findIndex(card => card.getBoundingClientRect().bottom > 120);
  if (current) current.classList.remove("current");
  current = cards[Math.max(0, Math.min(cards.length - 1, next))];
  current.classList.add("current");
  current.scrollIntoView({block: "start"});
  current.focus({preventScroll: true});
}
const KEYS = {j: () => go(1), k: () => go(-1), " ": () => current.pair.toggle(), a: "accept", r: "redo", w: "wrong_person"};
addEventListener("keydown", event => {
  const key = event.key.toLowerCase(), act = KEYS[key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, video") || (key === " " && event.target.closest("button"))) return;
  if (!"jk".includes(key) && !(current && current.isConnected)) return;
  event.preventDefault();
  typeof act === "string" ? current.querySelector(`.verdicts .${act}`).click() : act();
});
for (const name of ["status", "warned", "language", "verdict", "sort"]) byId(name).addEventListener("change", list);
byId("find").addEventListener("input", list);
new IntersectionObserver(entries => { if (entries[0].isIntersecting && added < listed.length) more(); }, {rootMargin: "1200px"}).observe(byId("end"));
list();
told();
