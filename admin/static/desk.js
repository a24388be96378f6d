// The synthetic desk: a slider beside each number, and the first and last image as they will be. Without this script
// the form works as well.
"use strict";

(() => {
  const REST_MS = 60; // of the hand, before anything is asked for
  const AGAIN_MS = 400; // after an answer that the server has its hands full
  const form = document.querySelector("form[data-preview]");
  const scenes = document.querySelector(".scenes");
  const says = document.getElementById("scenes-says");
  const truth = document.getElementById("scenes-truth");
  const panes = [...document.querySelectorAll("[data-pane]")];
  let wanted = 0; // counts changes: the latest alone is drawn
  let drawing = false;
  let timer = 0;

  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  const addSlider = (input) => {
    const slider = document.createElement("input");
    const row = document.createElement("div");
    slider.type = "range";
    slider.min = input.min;
    slider.max = input.dataset.sliderMax || input.max;
    slider.step = input.step;
    slider.setAttribute("aria-label", input.dataset.slider);
    const follow = () => {
      slider.value = input.value || input.dataset.unset;
      slider.classList.toggle("unset", !input.value); // drawn for each image
    };
    slider.addEventListener("input", () => {
      input.value = slider.value;
      slider.classList.remove("unset");
    });
    input.addEventListener("input", follow);
    row.className = "slide";
    input.replaceWith(row);
    row.append(slider, input);
    follow();
    return follow;
  };

  // The last severity is never below the first: whichever is moved takes the other along.
  const keepOrder = (moved) => {
    const [low, high] = [form.elements.severity_from, form.elements.severity_to];
    if (low.value === "" || high.value === "" || Number(low.value) <= Number(high.value)) {
      return;
    }
    const other = moved === high ? low : high;
    other.value = moved.value;
    follows.get(other)();
  };

  const address = (pane) => {
    const query = new URLSearchParams(new FormData(form));
    for (const name of ["csrf_token", "request_key", "name"]) {
      query.delete(name);
    }
    query.set("image", pane.dataset.pane);
    if (truth.checked) {
      query.set("truth", "1");
    }
    return `${form.dataset.preview}?${query}`;
  };

  const reasonOf = async (answer) => {
    if (answer.status === 401) {
      return "Your session has ended: log in again in another tab.";
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return page.querySelector(".error p:not(.code)")?.textContent.trim() || `The server answers ${answer.status}.`;
  };

  const draw = async (pane) => {
    const answer = await fetch(address(pane), { headers: { "X-Live": "1" }, redirect: "error" });
    if (answer.status === 503) {
      await pause(AGAIN_MS);
      return false;
    }
    if (!answer.ok) {
      says.textContent = await reasonOf(answer);
      return true;
    }
    const picture = await createImageBitmap(await answer.blob());
    const canvas = pane.querySelector("canvas");
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    says.textContent = "";
    return true;
  };

  // One is asked for at a time, so that a hand that moves never has more in work than that.
  const drawAll = async () => {
    if (drawing) {
      return;
    }
    drawing = true;
    try {
      for (let drawn = -1; drawn !== wanted; ) {
        drawn = wanted;
        const isOne = form.elements.count.value === "1";
        panes[0].parentElement.classList.toggle("one", isOne);
        for (const pane of isOne ? panes.slice(0, 1) : panes) {
          while (drawn === wanted && !(await draw(pane)));
        }
      }
    } catch {
      says.textContent = "The server does not answer: the pictures are those from before.";
    }
    drawing = false;
  };

  const change = () => {
    wanted += 1;
    clearTimeout(timer);
    timer = setTimeout(drawAll, REST_MS);
  };

  const follows = new Map([...form.querySelectorAll("input[data-slider]")].map((input) => [input, addSlider(input)]));
  form.addEventListener("input", (event) => {
    const number = event.target.closest(".slide")?.querySelector("[data-slider]") || event.target;
    keepOrder(number);
    change();
  });
  truth.addEventListener("change", change);
  document.getElementById("scenes-seed").addEventListener("click", () => {
    form.elements.seed.value = Math.floor(Math.random() * 1_000_000);
    change();
  });
  scenes.hidden = false;
  change();
})();
