// Package browser judges the dashboard from where it is used: in Chromium, on a
// page that the program "ekaf serve" serves, with an embedded broker behind it
// that goes away and comes back.
//
//	chromium ── chromedp ──► page ── server-sent events ──► ekaf serve ──► ekaftest
//	    └── console, CSP violations, axe-core                    ▲           │
//	                          curl, as the page writes it ───────┘           ▼
//	                                                         an independent consumer
//
// It runs when EKAF_BROWSER is set; it needs chromium and curl on the PATH, and
// the path of axe.min.js in EKAF_AXE. EKAF_SHOTS names a folder for pictures.
// The package holds tests only.
package browser
