// The start screen: explains what happens to the audio and asks for consent. A touch or a key consents; anything else
// does not.
import { microphoneFault } from "./readiness.js";

const at = (id) => document.getElementById(id);
const HERE = ["localhost", "127.0.0.1", "[::1]"];

/** Shows the screen in the current language; calls `begin` after each consent. */
export function start(words, config, begin) {
  let server = true;
  let fault = null;
  document.title = config.title;
  at("title").textContent = config.title;
  at("logo").src = config.logo;
  const note = () => {
    const what = server ? fault : "offline";
    const { faults } = words.words;
    at("note").textContent = what ? `${faults[what].what} – ${faults[what].do}` : "";
    document.body.dataset.ready = what ?? "yes";
  };
  words.follow(() => {
    const kept = words.say(HERE.includes(location.hostname) ? "kept_here" : "kept_there");
    at("sign").replaceChildren(...[...words.words.sign, kept].map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }));
    at("contact").textContent = config.contact && words.say("contact", { contact: config.contact });
    at("languages").setAttribute("aria-label", words.say("language"));
    for (const choice of at("languages").children) {
      choice.setAttribute("aria-pressed", String(choice.lang === words.code));
    }
    note();
  });
  offer(words, config);
  microphoneFault((what) => {
    fault = what;
    note();
  });

  const shown = () => !at("start").hidden;
  addEventListener("click", (event) => {
    if (shown() && !event.target.closest("#languages")) begin();
  });
  addEventListener("keydown", (event) => {
    if (!shown() || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key.length > 1 && event.key !== "Enter") return; // Tab, Escape, F5 and others
    if (event.target.closest("#languages")) return;
    event.preventDefault(); // otherwise Enter would also click the element that gets the focus next
    begin();
  });
  return {
    server(there) {
      server = there;
      note();
    },
  };
}

/** A button for each language. The choice of a visitor who leaves is reset. */
function offer(words, config) {
  let forgetting;
  at("languages").hidden = config.languages.length < 2;
  at("languages").replaceChildren(...config.languages.map(({ code, name }) => {
    const choice = document.createElement("button");
    choice.type = "button";
    choice.lang = code;
    choice.textContent = name;
    choice.addEventListener("click", () => {
      words.choose(code);
      clearTimeout(forgetting);
      forgetting = setTimeout(() => !at("start").hidden && words.choose(null), config.forget_after * 1000);
    });
    return choice;
  }));
  words.choose(null);
}
