package conn

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kversion"
)

// maxAPIKey bounds the table a broker's ApiVersions answer can make us build; keys above it are ignored.
const maxAPIKey = 1023

// Versions is what one broker offers: for each api key a range of versions. It is an immutable value, safe for
// concurrent use; the zero value offers nothing.
type Versions struct {
	ranges []versionRange // by api key
}

type versionRange struct {
	min, max int16
	offered  bool
}

func (v *Versions) set(key, lo, hi int16) {
	if key < 0 || key > maxAPIKey || lo < 0 || hi < lo {
		return
	}
	for len(v.ranges) <= int(key) {
		v.ranges = append(v.ranges, versionRange{})
	}
	v.ranges[key] = versionRange{min: lo, max: hi, offered: true}
}

func (v Versions) lookup(key int16) versionRange {
	if key < 0 || int(key) >= len(v.ranges) {
		return versionRange{}
	}
	return v.ranges[key]
}

// Max is the newest version of an api the broker offers; false if it does not know the api.
func (v Versions) Max(apiKey int16) (int16, bool) {
	r := v.lookup(apiKey)
	return r.max, r.offered
}

// Min is the oldest version of an api the broker offers; false if it does not know the api.
func (v Versions) Min(apiKey int16) (int16, bool) {
	r := v.lookup(apiKey)
	return r.min, r.offered
}

// Negotiate is the newest version of an api that both sides know; false if there is none.
func (v Versions) Negotiate(apiKey, ourMin, ourMax int16) (int16, bool) {
	r := v.lookup(apiKey)
	version := min(r.max, ourMax)
	return version, r.offered && version >= r.min && version >= ourMin
}

// parseVersions reads the body of an ApiVersions response, v0 or v3, after its error code, as far as the table goes.
// It is read here and not by package kmsg, whose reader runs a loop of up to 2^32 rounds for a tag count that lies: on
// the first bytes of an unknown peer that must not happen.
func parseVersions(b []byte, flexible bool) (v Versions, ok bool) {
	var count uint64
	if flexible {
		count, b, ok = uvarint(b)
		count = max(count, 1) - 1 // compact arrays hold their length plus one, and 0 for null
	} else if ok = len(b) >= 4; ok {
		count, b = uint64(binary.BigEndian.Uint32(b)), b[4:]
	}
	// An entry takes six bytes at least, so a count that lies ends the loop when the bytes end.
	for ; ok && count > 0; count-- {
		if len(b) < 6 {
			return Versions{}, false
		}
		word := func(i int) int16 { return int16(binary.BigEndian.Uint16(b[i:])) }
		v.set(word(0), word(2), word(4))
		if b = b[6:]; flexible {
			b, ok = skipTags(b)
		}
	}
	return v, ok
}

// Assumed is what a release before Kafka 0.10 offers, for Config.AssumeVersions. release is 0.8.0, 0.8.1, 0.8.2 or
// 0.9.0, with or without a further number; empty: nil, brokers are asked.
func Assumed(release string) (*kversion.Versions, error) {
	if release == "" {
		return nil, nil
	}
	for _, known := range []string{"0.8.0", "0.8.1", "0.8.2", "0.9.0"} {
		if release == known || strings.HasPrefix(release, known+".") {
			if v := kversion.FromString(release); v != nil {
				return v, nil
			}
		}
	}
	return nil, fmt.Errorf("%q is none of 0.8.0, 0.8.1, 0.8.2 and 0.9.0: leave it out for newer brokers, which say what they speak", release)
}

// versionsAssumed takes a release's table; such tables hold no minimum, and the old brokers they stand for had none.
func versionsAssumed(from *kversion.Versions) Versions {
	var v Versions
	from.EachMaxKeyVersion(func(key, hi int16) { v.set(key, 0, hi) })
	return v
}
