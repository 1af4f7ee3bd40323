package kernel

// units is the number of units of work of a batch. A unit fills the Lanes lanes
// of a scratch. Rows are taken in blocks of Lanes: a unit is then one tile of
// sites of Lanes neighbouring rows. The rows that remain are fewer than Lanes,
// and their units hold several tiles of sites.
func (l *Layer[T]) units(rows int) int {
	full, rest := rows/Lanes, rows%Lanes
	return full*l.tiles + (rest*l.tiles+Lanes-1)/Lanes
}

// assign sets which tile of sites of which row each lane of unit u holds.
func (l *Layer[T]) assign(s *scratch[T], u, rows int) {
	block := min(u/l.tiles, rows/Lanes)
	first := block * Lanes
	if s.block = block < rows/Lanes; s.block { // one tile of a block of rows
		s.len, s.tile[0], s.row[0] = Lanes, u-block*l.tiles, first
		return
	}
	m := min(rows-first, Lanes)
	e := (u - block*l.tiles) * Lanes
	s.len = min(m*l.tiles-e, Lanes)
	tile, row := e/m, e%m
	for k := range s.len {
		s.tile[k], s.row[k] = tile, first+row
		if row++; row == m {
			tile, row = tile+1, 0
		}
	}
}

// gather reads x from the rows of a state. Lanes that are not in use become zero.
func (l *Layer[T]) gather(x, state []T, s *scratch[T]) {
	if s.block {
		block, sites := l.tileOf(state, s)
		for j, site := range sites {
			copy(x[j*Lanes:(j+1)*Lanes], block[site*Lanes:])
		}
		return
	}
	for k := range s.len {
		row, sites := l.at(state, s, k)
		at := k
		for _, site := range sites {
			x[at] = row[site]
			at += Lanes
		}
	}
	for j := range l.tr.Dim() {
		clear(x[j*Lanes+s.len : (j+1)*Lanes])
	}
}

// scatter writes the moving positions of x to the rows of a state.
func (l *Layer[T]) scatter(state, x []T, s *scratch[T]) {
	if s.block {
		block, sites := l.tileOf(state, s)
		if l.move == nil {
			for j, site := range sites {
				copy(block[site*Lanes:(site+1)*Lanes], x[j*Lanes:])
			}
		}
		for _, j := range l.move {
			copy(block[sites[j]*Lanes:(sites[j]+1)*Lanes], x[j*Lanes:])
		}
		return
	}
	for k := range s.len {
		row, sites := l.at(state, s, k)
		for _, j := range l.move {
			row[sites[j]] = x[j*Lanes+k]
		}
		if l.move != nil {
			continue
		}
		at := k
		for _, site := range sites {
			row[site] = x[at]
			at += Lanes
		}
	}
}

// tileOf returns the block of the state that a unit holds, and the sites of its tile.
func (l *Layer[T]) tileOf(state []T, s *scratch[T]) (block []T, sites []int) {
	dim := l.tr.Dim()
	r, t := s.row[0]*l.n, s.tile[0]*dim
	return state[r : r+Lanes*l.n], l.index[t : t+dim]
}

// at returns the row of the state that lane k holds, and the sites of its tile.
func (l *Layer[T]) at(state []T, s *scratch[T], k int) (row []T, sites []int) {
	dim := l.tr.Dim()
	r, t := s.row[k]*l.n, s.tile[k]*dim
	return state[r : r+l.n], l.index[t : t+dim]
}
