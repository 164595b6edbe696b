// Plays the steps that stand in the page as a list: the list is the data, so the page reads without this script.
// Works on every player of the page that no script has taken charge of yet.
(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const all = [...document.querySelectorAll(".stepgrad")];
  for (const root of all) if (!root.dataset.ready) start(root, all.indexOf(root));

  function start(root, place) {
    root.dataset.ready = "yes";
    const $ = (selector) => root.querySelector(selector);
    const $$ = (selector) => [...root.querySelectorAll(selector)];
    const words = (text) => (text ? text.split(" ") : []);
    const first = root.dataset;
    // The steps back count from 1; those forward before them, to the turn at 0, which is the last of them.
    const ahead = $$(".forward > li"), steps = $$(".steps > li"), least = -ahead.length;
    const item = (at) => (at > 0 ? steps[at - 1] : at > least ? ahead[at - least - 1] : undefined);

    // Boxes and edges by number. A node has a box in each of several sheets, which shows the gradients of all that is in it.
    const boxes = new Map(), edges = new Map(), sheetOf = new Map();
    const sheets = $$(".sheet");
    sheets.forEach((sheet, k) => {
      for (const g of sheet.querySelectorAll("g.node, g.edge"))
        for (const name of g.classList)
          if (/^[ne]\d+$/.test(name)) {
            (name[0] === "n" ? boxes : edges).set(name.slice(1), g);
            sheetOf.set(g, k);
          }
    });
    const door = (g) => { for (const name of g.classList) if (/^s\d+$/.test(name)) return +name.slice(1); };

    // What a box shows at each step back: its gradient as text and its heat, by the step that set it.
    const history = new Map([...boxes.keys()].map((box) => [box, [[0, "grad -", 0]]]));
    const told = (li, at) => {
      const texts = li.g.split("|"), heats = words(li.h);
      let text, heat; // what is not said is as before it
      words(li.p).forEach((box, i) => history.get(box)?.push([at, (text = texts[i] || text), (heat = +(heats[i] ?? heat))]));
    };
    told({ p: first.root, g: first.grad, h: first.heat }, 0);
    steps.forEach((li, i) => told(li.dataset, i + 1));
    const lines = new Map([...boxes].map(([box, g]) => [box, [...g.querySelectorAll("text")].findLast((t) => t.textContent.startsWith("grad "))]));
    for (const line of lines.values()) line?.classList.add("grad");
    // When a box is computed: with the last of what is in it.
    const computed = new Map();
    ahead.forEach((li, i) => { for (const box of words(li.dataset.n)) computed.set(box, least + i + 1); });

    let at = 0, shown = 0, pinned = null, timer = 0, matches = [], found = -1;
    const here = (names) => words(names).find((name) => boxes.has(name) && sheetOf.get(boxes.get(name)) === shown);

    function go(step, quiet = false) {
      at = Math.max(least, Math.min(steps.length, step));
      const li = item(at);
      // Up to where the step can be seen; never down, which is for the one who looks.
      if (li) while (shown && !here(li.dataset.n) && !here(li.dataset.p)) open_(+sheets[shown].dataset.up, true);
      paint(quiet);
      ahead.forEach((li, i) => li.classList.toggle("done", least + i < at));
      steps.forEach((li, i) => li.classList.toggle("done", i < at));
      for (const old of $$("[aria-current=step]")) old.removeAttribute("aria-current");
      if (li) {
        li.setAttribute("aria-current", "step");
        keep($("details"), li, true);
      }
      $(".now").replaceChildren(...(at && li ? [...li.children].map((part) => part.cloneNode(true)) : [document.createTextNode(at ? first.start : first.turn)]));
      $(".scrub").value = at;
      $(".scrub").setAttribute("aria-valuetext", at < 0 ? `forward, ${at - least} of ${-least}` : `step ${at} of ${steps.length}`);
      $(".count").textContent = at < 0 ? `forward ${at - least} / ${-least}` : `${at} / ${steps.length}`;
      pin(pinned);
      if (!quiet) remember();
    }

    function paint(quiet) {
      const li = item(at);
      for (const g of $$(".lit, .from")) g.classList.remove("lit", "from", "on");
      for (const tip of $$(".tip")) tip.remove();
      for (const [box, g] of boxes) {
        if (sheetOf.get(g) !== shown) continue;
        g.classList.toggle("ahead", at < (computed.get(box) ?? least));
        const label = lines.get(box);
        if (!label) continue;
        const [, text, heat] = at < 0 ? [0, "grad -", 0] : history.get(box).findLast(([k]) => k <= at);
        label.textContent = text;
        for (let k = 0; k < 6; k++) g.classList.toggle("heat" + k, k === heat);
        g.classList.toggle("odd", heat < 0);
        g.classList.toggle("waiting", text === "grad -");
        // Not in what went before it: there it arises.
        if (!g.classList.contains("bad")) g.classList.toggle("alarm", heat < 0 && at > 0 && !!arisen.get(box) && arisen.get(box) <= at);
      }
      const to = boxes.get(here(li?.dataset.p)), from = boxes.get(here(li?.dataset.n));
      if (li && at > 0) {
        if (from !== to) from?.classList.add("from");
        for (const e of words(li.dataset.e)) if (edges.has(e) && sheetOf.get(edges.get(e)) === shown) light(edges.get(e));
        to?.classList.add("lit");
      } else if (li && at < 0) {
        from?.classList.add("lit");
        for (const e of $$(`.sheet:not([hidden]) .edge`)) if (from && into.get(e) === from) e.classList.add("lit", "on");
      }
      const target = li ? (at > 0 ? from ?? to : from) : boxes.get(here(first.root));
      if (target) keep($("figure"), target, quiet || timer);
      look();
    }
    // A gradient runs against the edge: the tip of the arrow is put at its other end.
    function light(edge) {
      edge.classList.add("lit");
      const path = edge.querySelector("path");
      if (!path) return;
      const a = path.getPointAtLength(0), b = path.getPointAtLength(Math.min(6, path.getTotalLength()));
      const tip = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
      tip.setAttribute("class", "tip");
      tip.setAttribute("points", "0,0 9,-4.5 9,4.5");
      tip.setAttribute("transform", `translate(${a.x} ${a.y}) rotate(${(Math.atan2(b.y - a.y, b.x - a.x) * 180) / Math.PI})`);
      edge.append(tip);
    }
    // The box that an edge leads into, as far as steps tell.
    const into = new Map();
    for (const li of steps)
      for (const e of words(li.dataset.e)) {
        const g = edges.get(e);
        const head = words(li.dataset.n).map((n) => boxes.get(n)).find((n) => n && sheetOf.get(n) === sheetOf.get(g));
        if (g && head) into.set(g, head);
      }
    // From which step on a gradient is nan or inf where that of what passed it on is not.
    const arisen = new Map();
    steps.forEach((li, i) => {
      if (li.dataset.a) for (const box of words(li.dataset.p)) if (!arisen.has(box)) arisen.set(box, i + 1);
    });

    // As much as chosen: to where what is under way ends, or where it began.
    const unit = (li) => {
      const by = $(".by").value;
      return by === "n" ? here(li.dataset.n) ?? li.dataset.k : li.dataset[by] ?? li.dataset.k;
    };
    const same = (a, b) => a && b && a <= 0 === b <= 0 && unit(item(a)) === unit(item(b));
    const valid = (k) => k > least && k <= steps.length;
    function nextNode() {
      let k = at + 1;
      if (k > 0) while (valid(k + 1) && same(k + 1, k)) k++;
      else while (k < 0 && unit(item(k + 1)) === unit(item(k))) k++;
      go(k);
    }
    function lastNode() {
      let k = at - 1;
      if (at > 0) while (k > 0 && unit(item(k)) === unit(item(at))) k--;
      else while (k > least && unit(item(k)) === unit(item(at))) k--;
      go(k);
    }

    function play(on) {
      clearInterval(timer);
      timer = 0;
      if (on && at === steps.length) go(0, true);
      if (on) timer = setInterval(() => (at < steps.length ? go(at + 1, true) : play(false)), 1000 / $(".speed").value);
      else remember();
      $(".play").textContent = on ? "Pause" : "Play";
      $(".play").setAttribute("aria-pressed", on);
      // Read out one step at a time, not a stream of them.
      $(".now").setAttribute("aria-live", on ? "off" : "polite");
    }

    function keep(frame, element, jump) {
      const a = frame.getBoundingClientRect(), b = element.getBoundingClientRect();
      const left = b.left < a.left || b.right > a.right ? frame.scrollLeft + b.left - a.left - (a.width - b.width) / 2 : frame.scrollLeft;
      const top = b.top < a.top || b.bottom > a.bottom ? frame.scrollTop + b.top - a.top - (a.height - b.height) / 2 : frame.scrollTop;
      frame.scrollTo({ left, top, behavior: calm.matches || timer || jump ? "auto" : "smooth" });
    }

    function pin(box) {
      pinned = boxes.has(box) ? box : null;
      for (const [name, g] of boxes) g.classList.toggle("pinned", name === pinned);
      const panel = $(".pin");
      panel.hidden = pinned === null;
      if (pinned === null) return;
      const button = (li, i) => {
        const made = document.createElement("button");
        made.type = "button";
        made.tabIndex = -1;
        made.className = i < at ? "done" : "";
        made.textContent = `${i + 1}: ${li.querySelector(".sum").textContent}`;
        made.onclick = () => go(i + 1);
        const row = document.createElement("li");
        row.append(made);
        return row;
      };
      const rows = (names) => steps.flatMap((li, i) => (words(names(li.dataset)).includes(pinned) ? [button(li, i)] : []));
      const got = rows((d) => d.p), sent = rows((d) => d.n);
      const image = boxes.get(pinned).querySelector("image");
      if (image) {
        const img = document.createElement("img");
        img.alt = "its numbers as a heatmap";
        img.src = image.getAttribute("href");
        img.style.aspectRatio = `${image.width.baseVal.value} / ${image.height.baseVal.value}`;
        $(".pin .big").replaceChildren(img);
      } else $(".pin .big").replaceChildren();
      $(".pin h3").textContent = boxes.get(pinned).querySelector("text").textContent;
      $(".pin .got").replaceChildren(...got);
      $(".pin .sent").replaceChildren(...sent);
      $(".pin .got-title").textContent = got.length ? "receives" : words(first.root).includes(pinned) ? "is the root: its gradient is given" : "receives nothing";
      $(".pin .sent-title").textContent = sent.length ? "passes on" : "passes nothing on";
    }

    function search(text) {
      const wanted = text.trim().toLowerCase();
      const has = (s) => s.toLowerCase().includes(wanted);
      const inside = new Set(steps.filter((li) => has(li.dataset.name)).flatMap((li) => words(li.dataset.p)));
      matches = wanted ? [...boxes.keys()].filter((b) => lines.get(b) && (has(boxes.get(b).textContent) || inside.has(b))) : [];
      // What stands in the drawing that is shown goes first; of what is only in others, the deepest.
      const now = matches.filter((b) => sheetOf.get(boxes.get(b)) === shown);
      matches = now.length ? now : matches.reverse();
      found = -1;
      for (const [name, g] of boxes) g.classList.toggle("match", matches.includes(name));
      $(".hits").textContent = wanted ? `${matches.length} found` : "";
    }

    // ---- the state in the address, as #step=3&pin=7&speed=2, with numbers behind the names from the second player on
    const key = (name) => name + (place || "");
    let written = 0, later = 0;
    function remember() { // four times a second at most: browsers object to more
      clearTimeout(later);
      const wait = written + 250 - Date.now();
      if (wait > 0) later = setTimeout(remember, wait);
      else write();
    }
    function write() {
      written = Date.now();
      const state = new URLSearchParams(location.hash.slice(1));
      state.set(key("step"), at);
      state.set(key("speed"), $(".speed").value);
      for (const [name, value, none] of [["pin", pinned, null], ["sheet", shown, 0], ["by", $(".by").value, "k"]])
        if (value === none) state.delete(key(name));
        else state.set(key(name), value);
      try {
        window.history.replaceState(null, "", "#" + state);
      } catch {
        // a page inside another has no address of its own
      }
    }
    function recall() {
      const state = new URLSearchParams(location.hash.slice(1));
      const get = (name) => state.get(key(name));
      for (const name of ["speed", "by"]) if ([...$("." + name).options].some((o) => o.value === get(name))) $("." + name).value = get(name);
      pinned = get("pin");
      const sheet = /^\d+$/.test(get("sheet") ?? "") && +get("sheet") < sheets.length ? +get("sheet") : pinned && boxes.has(pinned) ? sheetOf.get(boxes.get(pinned)) : 0;
      open_(sheet, true);
      go(/^-?\d+$/.test(get("step") ?? "") ? +get("step") : least, true);
    }

    // ---- drawings in drawings
    let scale = 1;
    const svg = () => sheets[shown].querySelector("svg");
    const natural = sheets.map((sheet) => sheet.querySelector("svg")).map((s) => [s.width.baseVal.value, s.height.baseVal.value]);
    function open_(k, quiet = false) {
      shown = k;
      sheets.forEach((sheet, i) => (sheet.hidden = i !== k));
      const way = [];
      for (let i = k; ; i = +sheets[i].dataset.up) {
        way.unshift(i);
        if (sheets[i].dataset.up === undefined) break;
      }
      $(".trail").replaceChildren(...way.flatMap((i) => {
        const part = document.createElement(i === k ? "span" : "button");
        if (i === k) part.setAttribute("aria-current", "location");
        else { part.type = "button"; part.onclick = () => open_(i); }
        part.textContent = sheets[i].dataset.title;
        return i === way[0] ? [part] : [" › ", part];
      }));
      $("figure").scrollTo(0, 0);
      map();
      resize(Math.max(room(), 0.55)); // whole, if that can still be read
      tab(null);
      if (!quiet) { paint(true); remember(); }
    }
    const up = () => { if (shown) open_(+sheets[shown].dataset.up); };

    // ---- the size of the drawing
    function room() { // whole, and never larger than it is
      const frame = $("figure"), [w, h] = natural[shown];
      return Math.min(1, (frame.clientWidth - 2) / w, (frame.clientHeight - 4) / h);
    }
    function resize(to) {
      scale = Math.max(0.1, Math.min(4, to));
      svg().style.width = `${natural[shown][0] * scale}px`;
      svg().style.height = "auto";
      look();
    }
    function zoom(to) {
      resize(to);
      const li = item(at), g = li ? boxes.get(here(li.dataset.n) ?? here(li.dataset.p)) : boxes.get(here(first.root));
      if (g) keep($("figure"), g, true);
    }

    // ---- a map of a drawing that is larger than its frame
    function map() {
      const box = svg().viewBox.baseVal, m = $(".map");
      m.setAttribute("viewBox", `${box.x} ${box.y} ${box.width} ${box.height}`);
      const graph = svg().querySelector(".graph"), g = document.createElementNS(m.namespaceURI, "g");
      g.setAttribute("transform", graph.getAttribute("transform"));
      for (const [name, node] of boxes)
        if (sheetOf.get(node) === shown && lines.get(name)) {
          const r = node.getBBox(), rect = document.createElementNS(m.namespaceURI, "rect");
          for (const k of ["x", "y", "width", "height"]) rect.setAttribute(k, r[k]);
          rect.dataset.box = name;
          g.append(rect);
        }
      const frame = document.createElementNS(m.namespaceURI, "rect");
      frame.setAttribute("class", "frame");
      m.replaceChildren(g, frame);
    }
    function look() {
      const frame = $("figure"), m = $(".map"), s = svg();
      const w = s.clientWidth || s.getBoundingClientRect().width, h = s.getBoundingClientRect().height;
      const whole = w <= frame.clientWidth * 1.02 && h <= frame.clientHeight * 1.02;
      m.toggleAttribute("hidden", whole); // which is no property of an SVG
      if (whole) return;
      const k = s.viewBox.baseVal.width / w, rect = m.querySelector(".frame");
      for (const [name, value] of [["x", frame.scrollLeft], ["y", frame.scrollTop], ["width", frame.clientWidth], ["height", frame.clientHeight]])
        rect.setAttribute(name, value * k);
      for (const r of m.querySelectorAll("[data-box]")) r.classList.toggle("lit", boxes.get(r.dataset.box).matches(".lit, .from"));
    }
    $("figure").addEventListener("scroll", look);
    const jump = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const m = $(".map"), p = new DOMPoint(event.clientX, event.clientY).matrixTransform(m.getScreenCTM().inverse());
      const k = svg().getBoundingClientRect().width / svg().viewBox.baseVal.width, frame = $("figure");
      frame.scrollTo(p.x * k - frame.clientWidth / 2, p.y * k - frame.clientHeight / 2);
    };
    $(".map").onpointerdown = $(".map").onpointermove = jump;

    // ---- hands
    const sizing = ["fit", "larger", "smaller"];
    const actions = {
      start: () => go(least), "back-node": lastNode, back: () => go(at - 1), play: () => play(!timer), turn: () => go(0),
      step: () => go(at + 1), node: nextNode, end: () => go(steps.length), fit: () => zoom(room()), larger: () => zoom(scale * 1.25), smaller: () => zoom(scale / 1.25),
    };
    for (const [name, act] of Object.entries(actions)) $("." + name).onclick = () => { if (name !== "play" && !sizing.includes(name)) play(false); act(); };
    $(".scrub").min = least;
    $(".scrub").max = steps.length;
    $(".scrub").oninput = (event) => { play(false); go(+event.target.value); };
    $(".speed").onchange = () => { if (timer) play(true); remember(); };
    $(".by").onchange = remember;
    $(".search").oninput = (event) => search(event.target.value);
    $(".search").onkeydown = (event) => {
      if (event.key !== "Enter" || !matches.length) return;
      event.preventDefault();
      found = (found + 1) % matches.length;
      const g = boxes.get(matches[found]);
      if (sheetOf.get(g) !== shown) open_(sheetOf.get(g));
      pin(matches[found]);
      keep($("figure"), g);
      remember();
    };
    $(".unpin").onclick = () => { pin(null); remember(); };
    for (const s of $$(".sheet svg")) s.setAttribute("role", "group"); // not one image any more: its boxes can be chosen
    const choose = (name, g, pins) => {
      if (door(g) !== undefined && !pins) open_(door(g));
      else { pin(name === pinned ? null : name); remember(); }
    };
    for (const [name, g] of boxes) {
      if (!lines.get(name)) continue; // a constant, or a port
      g.setAttribute("tabindex", "-1");
      g.setAttribute("role", "button");
      g.onclick = (event) => { tab(name); choose(name, g, event.shiftKey); };
      g.onkeydown = (event) => { if (event.key === "Enter") choose(name, g, event.shiftKey); };
    }
    for (const g of $$(".cluster.opens")) g.onclick = (event) => { if (event.target.closest("text")) open_(door(g)); };
    // One box of a drawing is reached by Tab, and [ ] go on from there.
    function tab(name, focus = false) {
      const those = [...boxes.keys()].filter((b) => lines.get(b) && sheetOf.get(boxes.get(b)) === shown);
      const chosen = those.includes(name) ? name : those[0];
      for (const b of those) boxes.get(b).setAttribute("tabindex", b === chosen ? "0" : "-1");
      if (focus && chosen) boxes.get(chosen).focus();
    }
    const walk = (by) => {
      const those = [...boxes.keys()].filter((b) => lines.get(b) && sheetOf.get(boxes.get(b)) === shown);
      const k = those.findIndex((b) => boxes.get(b) === document.activeElement);
      tab(those[(k < 0 ? (by > 0 ? 0 : -1) : k + by + those.length) % those.length] ?? those.at(-1), true);
    };
    ahead.forEach((li, i) => (li.onclick = () => { play(false); go(least + i + 1); }));
    steps.forEach((li, i) => (li.onclick = () => { play(false); go(i + 1); }));

    const keys = {
      " ": actions.play, ArrowRight: actions.step, ArrowLeft: actions.back, Home: actions.start, End: actions.end, t: actions.turn,
      "Shift+ArrowRight": nextNode, "Shift+ArrowLeft": lastNode, "/": () => $(".search").focus(), "+": actions.larger, "-": actions.smaller, 0: actions.fit,
      "[": () => walk(-1), "]": () => walk(1), u: up, Escape: () => (pinned === null ? up() : $(".unpin").onclick()),
    };
    document.addEventListener("keydown", (event) => {
      const inside = event.target.closest?.(".stepgrad");
      if (!inside && event.target !== document.body) return; // the rest of the page has keys of its own
      const mine = inside ?? document.querySelector(".stepgrad[data-last]") ?? document.querySelector(".stepgrad");
      if (mine !== root || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.target.matches("select, input:not([type=range])")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      if (event.target.matches("button, summary") && event.key === " ") return;
      const act = keys[(event.shiftKey && event.key.startsWith("Arrow") ? "Shift+" : "") + event.key];
      if (!act) return;
      event.preventDefault();
      if (/^(Arrow|Home|End|t$)/.test(event.key)) play(false);
      act();
    });
    root.addEventListener("pointerdown", () => { for (const other of document.querySelectorAll(".stepgrad")) other.toggleAttribute("data-last", other === root); });
    addEventListener("hashchange", recall);

    for (const part of $$("[data-script]")) part.hidden = false;
    recall();
  }
})();
