package worker

import "pgregory.net/rapid"

// recreate deletes the topic and creates it again. Its leaders begin with an empty
// log and know no producer; requests name the topic, and go into the new one.
func (m *model) recreate(*rapid.T) {
	m.former = append(m.former, m.log)
	m.log, m.end, m.untold = nil, 0, true
	clear(m.state)
}

// learn tells the lane.
func (m *model) learn(*rapid.T) {
	if m.untold {
		m.untold = false
		m.partition.Reborn()
	}
}

// judgeFormer adds where messages were in logs that are no more. An ack of another
// topic by the same name may look like a loss.
func (m *model) judgeFormer(at map[string][]int) (lost bool) {
	for _, log := range m.former {
		for _, b := range log {
			for i, v := range b.values {
				at[v] = append(at[v], b.offset+i)
			}
		}
	}
	return len(m.former) > 0
}
