namespace KFac.Engine;

/// <summary>The generalised Gauss-Newton matrix from explicit float64 Jacobians: the truth that K-FAC is compared with.</summary>
/// <remarks>
/// <c>GGN(W) = Σ_t J_tᵀ Λ_t J_t</c> over the terms t of the sum-reduced loss (thesis, equation 2.33), where
/// <c>J_t</c> is the Jacobian of term t's model output w.r.t. <c>vec(W)</c> and <c>Λ_t</c> the Hessian of its loss
/// w.r.t. that output. vec stacks columns: <c>W[i, j]</c> is parameter <c>j·P_out + i</c>, so that
/// <c>(A⊗B) vec(V) = vec(B V A)</c>. Costs one forward pass per parameter and P² memory: for small networks.
/// </remarks>
public static class ExactGgn
{
    /// <summary>The Jacobian of a model's outputs w.r.t. one weight matrix, by forward-mode differentiation.</summary>
    /// <param name="model">The outputs [T, C] as a function of the weight matrix [P_out, P_in].</param>
    /// <param name="weights">Where to differentiate, [P_out, P_in].</param>
    /// <returns>[T·C, P_in·P_out]: rows in row-major order of the outputs, columns in the order of vec(W).</returns>
    public static HostMatrix Jacobian(Func<DualMatrix, DualMatrix> model, HostMatrix weights)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(weights);
        DualMatrix outputs = model(DualMatrix.Constant(weights));
        var jacobian = new HostMatrix(checked(outputs.Rows * outputs.Columns), checked(weights.Rows * weights.Columns));
        for (int parameter = 0; parameter < jacobian.Columns; parameter++)
        {
            DualMatrix seeded = DualMatrix.Constant(weights);
            (int column, int row) = Math.DivRem(parameter, weights.Rows);
            seeded[row, column] = new Dual(weights[row, column], 1);
            outputs = model(seeded);
            for (int i = 0; i < jacobian.Rows; i++)
            {
                jacobian[i, parameter] = outputs[i / outputs.Columns, i % outputs.Columns].Tangent;
            }
        }

        return jacobian;
    }

    /// <summary><c>Σ_t J_tᵀ Λ_t J_t</c>.</summary>
    /// <param name="jacobian">[T·C, P]: the rows of term t begin at row t·C.</param>
    /// <param name="lossHessians">Λ_t, T symmetric matrices [C, C].</param>
    /// <returns>[P, P].</returns>
    /// <exception cref="ArgumentException">The shapes do not fit each other.</exception>
    public static HostMatrix Sum(HostMatrix jacobian, IReadOnlyList<HostMatrix> lossHessians)
    {
        ArgumentNullException.ThrowIfNull(jacobian);
        ArgumentNullException.ThrowIfNull(lossHessians);
        var ggn = new HostMatrix(jacobian.Columns, jacobian.Columns);
        int first = 0;
        foreach (HostMatrix hessian in lossHessians)
        {
            if (hessian.Rows != hessian.Columns || first + hessian.Rows > jacobian.Rows)
            {
                throw new ArgumentException(
                    $"A {hessian.Rows}×{hessian.Columns} loss Hessian does not fit the {jacobian.Rows - first} Jacobian rows left; wanted square ones that cover {jacobian.Rows} rows.");
            }

            AddTerm(ggn, jacobian, first, hessian);
            first += hessian.Rows;
        }

        if (first != jacobian.Rows)
        {
            throw new ArgumentException($"The loss Hessians cover {first} of {jacobian.Rows} Jacobian rows.");
        }

        return ggn;
    }

    private static void AddTerm(HostMatrix ggn, HostMatrix jacobian, int first, HostMatrix hessian)
    {
        for (int c = 0; c < hessian.Rows; c++)
        {
            for (int d = 0; d < hessian.Rows; d++)
            {
                for (int row = 0; row < ggn.Rows; row++)
                {
                    double left = jacobian[first + c, row] * hessian[c, d];
                    for (int column = 0; left != 0 && column < ggn.Columns; column++)
                    {
                        ggn[row, column] += left * jacobian[first + d, column];
                    }
                }
            }
        }
    }
}
