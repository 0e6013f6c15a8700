DROP TABLE sweep_rounds;
