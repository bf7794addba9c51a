-- The rows at the start of every episode. No clock and no random numbers here: write every value out.
-- Give the data texture: two books with almost the same title, a loan that is overdue, one that can't be renewed again.

INSERT INTO members (id, full_name, email, joined_on) VALUES
  (1, 'Nora Okafor', 'nora.okafor@example.org', '2021-09-14'),
  (2, 'Tomas Brandt', 'tomas.brandt@example.org', '2019-02-02'),
  (3, 'Ayesha Malik', 'ayesha.malik@example.org', '2024-11-30'),
  (4, 'Piet Verhoeven', 'piet.verhoeven@example.org', '2016-06-21'),
  (5, 'Grace Lindholm', 'grace.lindholm@example.org', '2026-05-02');

INSERT INTO books (id, title, author, published_year, shelf, copies) VALUES
  (101, 'The Glass Orchard', 'Ines Calloway', 2011, 'Fiction C', 2),
  (102, 'A Winter of Small Boats', 'Ines Calloway', 2017, 'Fiction C', 1),
  (103, 'What the Tide Keeps', 'Ines Calloway', 2022, 'Fiction C', 3),
  (104, 'The Glass Orchid', 'Martin Oyelaran', 1998, 'Fiction O', 1),
  (105, 'Letters from Platform Nine', 'Hana Sorensen', 2008, 'Fiction S', 2),
  (106, 'The Clockmaker of Ulm', 'Dieter Faulhaber', 2014, 'Fiction F', 1),
  (107, 'Bread, Salt and Time', 'Lucia Marchetti', 2019, 'Cooking', 2),
  (108, 'One Pot, Twelve Months', 'Lucia Marchetti', 2023, 'Cooking', 1),
  (109, 'Field Guide to Garden Birds', 'Owen Tregear', 2015, 'Nature', 4),
  (110, 'The Patient Gardener', 'Owen Tregear', 2020, 'Nature', 1),
  (111, 'A Short History of Maps', 'Rosalind Achebe', 2005, 'History', 1),
  (112, 'Canals and the Cities They Made', 'Rosalind Achebe', 2013, 'History', 2),
  (113, 'Numbers at Night', 'Viktor Halasz', 2010, 'Science', 2),
  (114, 'The Weather Inside', 'Mina Torrance', 2024, 'Science', 1);

INSERT INTO loans (id, member_id, book_id, lent_at, due_on, renewals, returned_at) VALUES
  (501, 1, 106, '2026-02-03T16:20:00Z', '2026-02-24', 0, '2026-02-20T10:05:00Z'),
  (502, 1, 107, '2026-04-27T11:00:00Z', '2026-05-18', 0, NULL),
  (503, 1, 113, '2026-04-20T17:45:00Z', '2026-05-25', 1, NULL),
  (504, 1, 112, '2026-04-24T12:30:00Z', '2026-05-15', 0, NULL),
  (505, 2, 101, '2026-04-30T09:15:00Z', '2026-05-21', 0, NULL),
  (506, 2, 110, '2026-03-23T14:10:00Z', '2026-05-11', 2, NULL),
  (507, 3, 101, '2026-05-06T15:40:00Z', '2026-05-27', 0, NULL),
  (508, 3, 111, '2026-05-02T10:25:00Z', '2026-05-23', 0, NULL),
  (509, 4, 108, '2026-04-10T13:00:00Z', '2026-05-01', 0, NULL),
  (510, 4, 105, '2026-04-28T16:35:00Z', '2026-05-19', 0, NULL),
  (511, 2, 104, '2026-01-12T12:00:00Z', '2026-02-02', 0, '2026-02-05T09:30:00Z'),
  (512, 3, 109, '2026-03-02T11:50:00Z', '2026-03-23', 0, '2026-03-21T17:20:00Z');

INSERT INTO reservations (id, member_id, book_id, reserved_at) VALUES
  (701, 4, 111, '2026-05-04T09:00:00Z'),
  (702, 5, 108, '2026-05-05T18:10:00Z'),
  (703, 1, 110, '2026-05-08T12:45:00Z');
