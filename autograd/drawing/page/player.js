// Plays the steps that stand in the page as a list: the list is the data, so the page reads without this script.
// Works on every player of the page that no script has taken charge of yet.
(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const all = [...document.querySelectorAll(".stepgrad")];
  for (const root of all) if (!root.dataset.ready) start(root, all.indexOf(root));

  function start(root, place) {
    root.dataset.ready = "yes";
    const $ = (selector) => root.querySelector(selector);
    const steps = [...root.querySelectorAll(".steps > li")];
    const boxes = new Map(), edges = new Map();
    for (const g of root.querySelectorAll("svg g.node, svg g.edge"))
      for (const name of g.classList)
        if (/^[ne]\d+$/.test(name)) (name[0] === "n" ? boxes : edges).set(name.slice(1), g);

    // What a box shows at each step: its gradient as text and its heat, by the step that set it.
    const history = new Map([...boxes.keys()].map((box) => [box, [[0, "grad -", 0]]]));
    const first = root.dataset;
    if (history.has(first.root)) history.set(first.root, [[0, first.grad, +first.heat]]);
    steps.forEach((li, i) => history.get(li.dataset.p)?.push([i + 1, li.dataset.g, +li.dataset.h]));
    const lines = new Map([...boxes].map(([box, g]) => [box, [...g.querySelectorAll("text")].findLast((t) => t.textContent.startsWith("grad "))]));
    for (const line of lines.values()) line?.classList.add("grad");

    let at = 0, pinned = null, timer = 0, matches = [], found = -1;

    function go(step, quiet = false) {
      at = Math.max(0, Math.min(steps.length, step));
      for (const [box, changes] of history) {
        const [, text, heat] = changes.findLast(([k]) => k <= at);
        const g = boxes.get(box), label = lines.get(box);
        if (!label) continue;
        label.textContent = text;
        for (let k = -1; k < 6; k++) g.classList.toggle(k < 0 ? "alarm" : "heat" + k, k === heat);
        g.classList.toggle("waiting", text === "grad -");
      }
      for (const g of root.querySelectorAll(".lit, .from")) g.classList.remove("lit", "from");
      steps.forEach((li, i) => li.classList.toggle("done", i < at));
      const li = steps[at - 1];
      for (const old of root.querySelectorAll("[aria-current]")) old.removeAttribute("aria-current");
      if (li) {
        li.setAttribute("aria-current", "step");
        boxes.get(li.dataset.n)?.classList.add("from");
        edges.get(li.dataset.e)?.classList.add("lit");
        boxes.get(li.dataset.p)?.classList.add("lit");
        show(boxes.get(li.dataset.n) ?? boxes.get(li.dataset.p), quiet);
        keep($(".steps"), li, true);
      } else show(boxes.get(first.root), quiet);
      $(".now").replaceChildren(...(li ? [...li.children].map((part) => part.cloneNode(true)) : [document.createTextNode(first.start)]));
      $(".scrub").value = at;
      $(".scrub").setAttribute("aria-valuetext", `step ${at} of ${steps.length}`);
      $(".count").textContent = `${at} / ${steps.length}`;
      pin(pinned);
      if (!quiet) remember();
    }

    // A whole node: to where its last contribution is made, or where its first one is yet to be.
    const node = (li) => li?.dataset.k;
    function nextNode() {
      let k = at + 1;
      while (k < steps.length && node(steps[k]) === node(steps[at])) k++;
      go(k);
    }
    function lastNode() {
      let k = at - 1;
      while (k > 0 && node(steps[k - 1]) === node(steps[at - 1])) k--;
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

    function show(g, jump = false) {
      if (g) keep($("figure"), g, jump);
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
      const item = (li, i) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = i < at ? "done" : "";
        button.textContent = `${i + 1}: ${li.querySelector(".sum").textContent}`;
        button.onclick = () => go(i + 1);
        const row = document.createElement("li");
        row.append(button);
        return row;
      };
      const rows = steps.flatMap((li, i) => (li.dataset.p === pinned ? [item(li, i)] : []));
      const sent = steps.flatMap((li, i) => (li.dataset.n === pinned ? [item(li, i)] : []));
      $(".pin h3").textContent = boxes.get(pinned).querySelector("text").textContent;
      $(".pin .got").replaceChildren(...rows);
      $(".pin .sent").replaceChildren(...sent);
      $(".pin .got-title").textContent = rows.length ? "receives" : pinned === first.root ? "is the root: its gradient is given" : "receives nothing";
      $(".pin .sent-title").textContent = sent.length ? "passes on" : "passes nothing on";
    }

    function search(text) {
      const wanted = text.trim().toLowerCase();
      const has = (s) => s.toLowerCase().includes(wanted);
      const inside = new Set(steps.filter((li) => has(li.dataset.name)).map((li) => li.dataset.p));
      matches = wanted ? [...boxes.keys()].filter((b) => has(boxes.get(b).textContent) || inside.has(b)) : [];
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
      if (pinned === null) state.delete(key("pin"));
      else state.set(key("pin"), pinned);
      try {
        window.history.replaceState(null, "", "#" + state);
      } catch {
        // a page inside another has no address of its own
      }
    }
    function recall() {
      const state = new URLSearchParams(location.hash.slice(1));
      if ([...$(".speed").options].some((o) => o.value === state.get(key("speed")))) $(".speed").value = state.get(key("speed"));
      pinned = state.get(key("pin"));
      const step = state.get(key("step"));
      go(/^\d+$/.test(step ?? "") ? +step : 0, true);
    }

    // ---- the size of the drawing
    const svg = $("svg"), natural = svg.getBoundingClientRect().width;
    const room = () => Math.min(1, ($("figure").clientWidth - 2) / natural);
    let scale = 1;
    function resize(to) {
      scale = Math.max(0.1, Math.min(4, to));
      svg.style.width = `${natural * scale}px`;
      svg.style.height = "auto";
      const li = steps[at - 1];
      show(boxes.get(li ? li.dataset.n || li.dataset.p : first.root), true);
    }

    // ---- hands
    const sizing = ["fit", "larger", "smaller"];
    const actions = {
      start: () => go(0), "back-node": lastNode, back: () => go(at - 1), play: () => play(!timer),
      step: () => go(at + 1), node: nextNode, end: () => go(steps.length), fit: () => resize(scale === 1 ? room() : 1), larger: () => resize(scale * 1.25), smaller: () => resize(scale / 1.25),
    };
    for (const [name, act] of Object.entries(actions)) $("." + name).onclick = () => { if (name !== "play" && !sizing.includes(name)) play(false); act(); };
    $(".scrub").max = steps.length;
    $(".scrub").oninput = (event) => { play(false); go(+event.target.value); };
    $(".speed").onchange = () => { if (timer) play(true); remember(); };
    $(".search").oninput = (event) => search(event.target.value);
    $(".search").onkeydown = (event) => {
      if (event.key !== "Enter" || !matches.length) return;
      event.preventDefault();
      found = (found + 1) % matches.length;
      pin(matches[found]);
      show(boxes.get(matches[found]));
      remember();
    };
    $(".unpin").onclick = () => { pin(null); remember(); };
    svg.setAttribute("role", "group"); // not one image any more: its boxes can be chosen
    for (const [name, g] of boxes) {
      if (!lines.get(name)) continue; // a constant
      g.setAttribute("tabindex", "0");
      g.setAttribute("role", "button");
      g.onclick = () => { pin(name === pinned ? null : name); remember(); };
      g.onkeydown = (event) => { if (event.key === "Enter") g.onclick(); };
    }
    steps.forEach((li, i) => (li.onclick = () => { play(false); go(i + 1); }));

    const keys = {
      " ": actions.play, ArrowRight: actions.step, ArrowLeft: actions.back, Home: actions.start, End: actions.end,
      "Shift+ArrowRight": nextNode, "Shift+ArrowLeft": lastNode, "/": () => $(".search").focus(), "+": actions.larger, "-": actions.smaller, Escape: $(".unpin").onclick,
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
      if (/^(Arrow|Home|End)/.test(event.key)) play(false);
      act();
    });
    root.addEventListener("pointerdown", () => { for (const other of document.querySelectorAll(".stepgrad")) other.toggleAttribute("data-last", other === root); });
    addEventListener("hashchange", recall);

    for (const part of root.querySelectorAll("[data-script]")) part.hidden = false;
    resize(Math.max(room(), 0.6)); // whole, if that can still be read
    recall();
  }
})();
