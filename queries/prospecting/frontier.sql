-- What would another budget bring, and how close to the best plan is each? Beyond the budget at which
-- a euro brings less than a euro, there is nothing left to gain.
SELECT * FROM plan_frontier(candidates, budgets => [5, 10, 25, 50, 100, 200, 300, 500, 1000, 1500])
