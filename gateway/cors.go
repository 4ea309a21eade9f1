package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// isOrigin reports whether text is scheme://host[:port] and no more.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && u.Scheme+"://"+u.Host == text
}

// originAllowed looks an origin up in the allow list.
func (h *Handler) originAllowed(origin string) bool {
	return slices.ContainsFunc(h.settings.origins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) })
}

// sameOrigin is the standard library's judgement of where a request comes from:
// by Sec-Fetch-Site, which pages cannot set, or, of older browsers, by the host
// that Origin names. It is the same for all handlers, and lets safe methods in.
var sameOrigin = http.NewCrossOriginProtection()

// ofOwnPage reports whether a page of the gateway itself sends the request, such
// as one that is mounted.
func ofOwnPage(r *http.Request) bool {
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		return len(site) == 1 && site[0] == "same-origin"
	}
	return r.Method == http.MethodPost && sameOrigin.Check(r) == nil
}

// isForeign reports whether a page of another origin has a browser send a request
// that produces, as far as can be told: images and links have no Origin, older
// browsers and those without TLS no Sec-Fetch-Site, and a page may keep back the
// Referer. Programs send none of them.
func isForeign(r *http.Request) bool {
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		return len(site) != 1 || site[0] != "same-origin" && site[0] != "none"
	}
	origin := r.Header["Origin"]
	if len(origin) == 0 {
		origin = r.Header["Referer"]
	}
	if len(origin) == 0 {
		return false
	}
	from, err := url.Parse(origin[0])
	return len(origin) > 1 || err != nil || from.Host != r.Host
}

// originOfReferer is that of the page that a link or an image is on; "" if it is
// not told.
func originOfReferer(r *http.Request) string {
	from, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || from.Host == "" {
		return ""
	}
	return from.Scheme + "://" + from.Host
}

// allowOrigin lets pages of allowed origins see the answer, and those of the
// gateway itself, which need no leave of CORS. A page of any other origin is
// refused: a browser sends simple requests without asking first, and hides only
// the answer.
func (x *exchange) allowOrigin() bool {
	origin := x.r.Header["Origin"]
	if len(origin) == 0 {
		if x.route.simple && isForeign(x.r) && !x.h.originAllowed(originOfReferer(x.r)) {
			return x.refuseOrigin()
		}
		return true
	}
	header := x.w.Header()
	if x.route.cors {
		header.Add("Vary", "Origin")
	}
	if len(origin) == 1 && ofOwnPage(x.r) {
		return true
	}
	if len(origin) > 1 || !x.h.originAllowed(origin[0]) {
		return x.refuseOrigin()
	}
	if x.route.cors {
		header["Access-Control-Allow-Origin"] = origin
		header.Set("Access-Control-Expose-Headers", "Retry-After")
	}
	return true
}

func (x *exchange) refuseOrigin() bool {
	x.refuse(refusal(http.StatusForbidden, "pages of this origin may not use the gateway"))
	return false
}

// preflight answers a browser's question before a request that is not simple.
// It reports whether it has answered.
func (x *exchange) preflight(n *node) bool {
	if !x.allowOrigin() {
		return true
	}
	if x.r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	header := x.w.Header()
	header.Set("Access-Control-Allow-Methods", n.allow)
	if asked := x.r.Header["Access-Control-Request-Headers"]; len(asked) == 1 && isHeaderList(asked[0]) {
		header["Access-Control-Allow-Headers"] = asked
	}
	header.Set("Access-Control-Max-Age", "600")
	header.Add("Vary", "Access-Control-Request-Headers")
	return false
}

// isHeaderList: names of headers and commas, nothing else is given back.
func isHeaderList(text string) bool {
	return len(text) <= 1024 && !strings.ContainsFunc(text, func(r rune) bool {
		return !(r == '-' || r == ',' || r == ' ' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
}
