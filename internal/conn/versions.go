package conn

import (
	"github.com/twmb/franz-go/pkg/kmsg"
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

func versionsFromAnswer(resp *kmsg.ApiVersionsResponse) Versions {
	var v Versions
	for i := range resp.ApiKeys {
		k := &resp.ApiKeys[i]
		v.set(k.ApiKey, k.MinVersion, k.MaxVersion)
	}
	return v
}

// versionsAssumed takes a release's table; such tables hold no minimum, and the old brokers they stand for had none.
func versionsAssumed(from *kversion.Versions) Versions {
	var v Versions
	from.EachMaxKeyVersion(func(key, hi int16) { v.set(key, 0, hi) })
	return v
}
