// Whether the server is there while nobody visits. The page is read anew if the server has become
// another, or after many visits, so that one that hangs for a year is not a year old.

const EVERY = 10_000; // ms

/** `idle`: whether nobody is there; `worn`: whether many were; `said`: told whether the server is. */
export function whenServerIsBack(config, { idle, worn, said }) {
  const known = JSON.stringify(config);
  const look = async () => {
    if (!idle()) return;
    try {
      const answer = await fetch("config.json", { cache: "no-store" });
      const now = JSON.stringify(await answer.json());
      said(true);
      if ((now !== known || worn()) && idle()) location.reload();
    } catch {
      said(false);
    }
  };
  setInterval(look, EVERY);
  look();
  return { look };
}
