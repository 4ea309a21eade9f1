// The stream of what happens: one EventSource, which is closed while nobody
// looks. The server sends the whole at each beginning, so nothing is missed.

const again = 5000; // after a refusal, which EventSource takes for final

// follow calls on.whole and on.frame with what comes, and on.link with the state
// of the connection: "live", "lost" or "paused", and a text.
export function follow(url, on) {
  let source = null;
  let timer = 0;
  let last = 0; // when something came
  let quiet = 15000; // how long nothing may come

  function open() {
    clearTimeout(timer);
    close();
    source = new EventSource(url);
    const take = (handler) => (message) => {
      last = Date.now();
      on.link("live", "live");
      handler(JSON.parse(message.data));
    };
    source.addEventListener("whole", take((data) => {
      quiet = 3 * data.interval + 12000;
      on.whole(data);
    }));
    source.addEventListener("frame", take(on.frame));
    source.addEventListener("bye", () => on.link("lost", "the gateway is shutting down"));
    source.addEventListener("error", () => {
      on.link("lost", "not connected, trying again");
      if (source.readyState === EventSource.CLOSED) {
        clearTimeout(timer);
        timer = setTimeout(open, again);
      }
    });
  }

  function close() {
    source?.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(timer);
      close();
      on.link("paused", "paused");
    } else {
      open();
    }
  });
  setInterval(() => {
    if (source && last && Date.now() - last > quiet) {
      on.link("lost", "nothing came for a while, trying again");
      last = Date.now();
      open();
    }
  }, 5000);
  open();
}
