package memory

import (
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestAccountsNeverExceedTheirLimits: whatever is charged and credited, an
// account holds at most its limit (or one charge, if it was empty), and a refused
// charge leaves no trace.
func TestAccountsNeverExceedTheirLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := NewAccount("producer", rapid.Int64Range(0, 100).Draw(t, "top"), nil)
		parts := []*Account{
			NewAccount("a", rapid.Int64Range(0, 60).Draw(t, "a"), top),
			NewAccount("b", rapid.Int64Range(0, 60).Draw(t, "b"), top),
		}
		var held [2][]int64
		sum := func(i int) (s int64) {
			for _, n := range held[i] {
				s += n
			}
			return s
		}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			i := rapid.IntRange(0, 1).Draw(t, "account")
			a := parts[i]
			if rapid.Bool().Draw(t, "credit") && len(held[i]) > 0 {
				last := len(held[i]) - 1
				a.Credit(held[i][last])
				held[i] = held[i][:last]
			} else {
				n := rapid.Int64Range(1, 50).Draw(t, "n")
				if full := a.TryCharge(n); full == nil {
					held[i] = append(held[i], n)
				} else if full.Used()+n <= full.Limit() || full.Used() == 0 {
					t.Fatalf("%s refused %d although it holds %d of %d", full.Name, n, full.Used(), full.Limit())
				}
			}
			if top.Used() != sum(0)+sum(1) || parts[0].Used() != sum(0) || parts[1].Used() != sum(1) {
				t.Fatalf("accounts hold %d, %d, %d", top.Used(), parts[0].Used(), parts[1].Used())
			}
			for k, a := range []*Account{top, parts[0], parts[1]} {
				single := k == 0 && len(held[0])+len(held[1]) == 1 || k > 0 && len(held[k-1]) == 1
				if a.Limit() > 0 && a.Used() > a.Limit() && !single {
					t.Fatalf("%s holds %d of %d", a.Name, a.Used(), a.Limit())
				}
			}
		}
	})
}

// TestWaiterMissesNoCredit: a credit between the refusal and the wait must wake
// the waiter. Each waiter takes the channel, tries again, and only then blocks.
func TestWaiterMissesNoCredit(t *testing.T) {
	a := NewAccount("a", 10, nil)
	if a.TryCharge(10) != nil {
		t.Fatal("an empty account refused its limit")
	}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 200 {
				for a.TryCharge(10) != nil {
					freed := a.Wait()
					if a.TryCharge(10) == nil {
						a.Leave()
						break
					}
					<-freed
					a.Leave()
					if a.TryCharge(10) == nil {
						break
					}
				}
				a.Credit(10)
			}
		})
	}
	a.Credit(10)
	callers.Wait()
	if a.Used() != 0 || a.Waiting() {
		t.Errorf("%d held, waiting %v", a.Used(), a.Waiting())
	}
}

// TestRefusedChargeWakesNobody: the refusal of a caller that waits for the very
// account must not close the channel that it is about to wait for.
func TestRefusedChargeWakesNobody(t *testing.T) {
	top := NewAccount("producer", 10, nil)
	part := NewAccount("partition", 100, top)
	part.Charge(10)
	freed := top.Wait()
	defer top.Leave()
	if full := part.TryCharge(5); full != top {
		t.Fatalf("refused by %v", full)
	}
	select {
	case <-freed:
		t.Error("a refusal woke the waiter")
	default:
	}
	part.Credit(1)
	<-freed
}

func TestChunksComeInClasses(t *testing.T) {
	for _, n := range []int{1, 1 << 10, 1<<10 + 1, 64 << 10, 1 << 20, 1<<20 + 1} {
		c := Take(n)
		if len(c.Buf) != 0 || cap(c.Buf) < n || cap(c.Buf) != CapacityFor(n) {
			t.Errorf("Take(%d) gives %d of %d, charged %d", n, len(c.Buf), cap(c.Buf), CapacityFor(n))
		}
		c.Buf = c.Buf[:n]
		Give(c)
		if again := Take(n); len(again.Buf) != 0 {
			t.Errorf("a chunk of %d came back with %d bytes in it", n, len(again.Buf))
		}
	}
}
