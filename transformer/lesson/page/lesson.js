// What moves on the lesson's page: the training under the slider, and the exercises. All of it stands in the page as
// text and drawings before this runs; the numbers are those of the elements #record and of the exercises' own data.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Keys on the bare page scroll it, as on every page: they are not for the graphs, which have theirs once chosen.
  document.addEventListener("keydown", (event) => { if (event.target === document.body) event.stopPropagation(); }, true);

  training();
  predict();
  all("[data-answer]").forEach(choose);

  function training() {
    const record = JSON.parse($("#record").textContent), live = $(".live"), slider = $(".moment", live);
    const cells = all("svg.heat", live).map((svg) => all(".cell", svg));
    const words = all("svg.map .word", live), { across, up } = $("svg.map", live).dataset;
    const mark = $(".mark", live), frank = all(".bars li", live);
    let timer = 0;

    function show() {
      const step = +slider.value, k = step / record.every, look = record.attention[k];
      let i = 0;
      for (const head of cells) for (const cell of head) cell.setAttribute("fill-opacity", +look.slice(2 * i, 2 * ++i) / 99);
      words.forEach((word, n) => {
        const [x, y] = record.places[k][n];
        word.setAttribute("transform", `translate(${(180 + x * across).toFixed(1)} ${(150 - y * up).toFixed(1)})`);
      });
      frank.forEach((li, n) => {
        const p = record.frank[k][n];
        $(".bar", li).style.setProperty("--share", Math.min(1, p / 0.5));
        $(".amount", li).textContent = p.toFixed(2);
      });
      const [left, right] = [+mark.dataset.left, +mark.dataset.right];
      mark.setAttribute("transform", `translate(${((right - left) * step) / record.last} 0)`);
      mark.setAttribute("visibility", "visible");
      $(".writes q", live).textContent = record.stories[k];
      const reading = `step ${step.toLocaleString("en")}: loss ${record.losses[step].toFixed(3)}, gradient ${record.norms[step].toFixed(3)}`;
      $(".reading", live).textContent = reading;
      slider.setAttribute("aria-valuetext", reading);
    }

    function play(on) {
      clearInterval(timer);
      timer = 0;
      if (on && slider.value === slider.max) slider.value = 0;
      if (on) timer = setInterval(() => { slider.stepUp(); show(); if (slider.value === slider.max) play(false); }, 120);
      $(".go", live).textContent = on ? "Pause" : "Play";
      $(".go", live).setAttribute("aria-pressed", on);
      $(".reading", live).setAttribute("aria-live", on ? "off" : "polite"); // not a stream of numbers read out
      show();
    }

    $(".go", live).onclick = () => play(!timer);
    slider.oninput = () => { if (timer) play(false); show(); };
    for (const part of all("[data-script]")) part.hidden = false;
    for (const still of all(".stills")) still.hidden = true;
    show();
  }

  // Each line is asked in turn; what comes after it stays covered until it is answered or shown.
  function predict() {
    const lines = all("#predict li");
    lines.forEach((line, k) => {
      const answer = $("details", line), right = +line.dataset.value;
      const field = document.createElement("input"), check = document.createElement("button"), give = document.createElement("button");
      const verdict = document.createElement("span");
      field.type = "text";
      field.inputMode = "decimal";
      field.autocomplete = "off";
      field.setAttribute("aria-label", `the gradient of ${line.dataset.of}`);
      check.type = give.type = "button";
      check.textContent = "Check";
      give.textContent = "Show";
      verdict.className = "verdict";
      verdict.setAttribute("role", "status");
      const done = (said, kind) => {
        verdict.textContent = said;
        verdict.className = `verdict ${kind}`;
        field.disabled = check.disabled = give.disabled = true;
        answer.hidden = false;
        answer.open = true;
        const next = lines[k + 1];
        if (next) { next.hidden = false; $("input", next).focus({ preventScroll: true }); }
      };
      check.onclick = () => {
        const text = field.value.trim().replace("−", "-").replace(",", ".");
        const given = text === "" ? NaN : Number(text);
        if (Number.isNaN(given)) verdict.textContent = "a number, please";
        else if (Math.abs(given - right) < 1e-6) done("right", "right");
        else {
          const hints = [[-right, "the sign is wrong"], [+line.dataset.local, "that is the slope alone: times what came from above"], [+line.dataset.part, "that is what comes by this way; what came before is added"]];
          verdict.textContent = "not yet: " + (hints.find(([x]) => Math.abs(given - x) < 1e-6)?.[1] ?? "from above, times the slope");
          verdict.className = "verdict wrong";
        }
      };
      field.onkeydown = (event) => { if (event.key === "Enter") check.onclick(); };
      give.onclick = () => done("", "");
      answer.hidden = true;
      line.hidden = k > 0;
      const row = document.createElement("div");
      row.className = "choices";
      row.append(field, check, give, verdict);
      answer.before(row);
    });
  }

  // A question with a few answers, as buttons; the explanation follows the choice.
  function choose(question) {
    const answer = $("details", question), options = all(".options > li", question);
    const row = document.createElement("div"), verdict = document.createElement("p");
    row.className = "choices";
    verdict.className = "verdict";
    verdict.setAttribute("role", "status");
    for (const option of options) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...option.cloneNode(true).childNodes);
      button.onclick = () => {
        const right = option.dataset.name === question.dataset.answer;
        for (const other of all("button", row)) other.setAttribute("aria-pressed", other === button);
        verdict.textContent = right ? "right" : "not yet";
        verdict.className = `verdict ${right ? "right" : "wrong"}`;
        if (right) { answer.hidden = false; answer.open = true; }
      };
      row.append(button);
    }
    answer.hidden = true;
    $(".options", question).replaceWith(row);
    row.after(verdict);
  }
})();
