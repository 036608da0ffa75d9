using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public class ExactGgnTests
{
    [Theory]
    [InlineData(1, 1, 1, 1)]
    [InlineData(3, 2, 4, 5)]
    [InlineData(5, 3, 1, 2)]
    public void Jacobian_of_a_nonlinear_model_agrees_with_finite_differences(int rows, int inputs, int hidden, int outputs)
    {
        HostMatrix x = Uniform(rows, inputs, 1);
        HostMatrix weights = Uniform(hidden, inputs, 2);
        HostMatrix last = Uniform(outputs, hidden, 3);
        DualMatrix Model(DualMatrix w) => DualMatrix.Constant(x)
            .Multiply(w.Transpose()).Map(Dual.Gelu).Multiply(DualMatrix.Constant(last).Transpose()).Map(Dual.Tanh);

        HostMatrix jacobian = ExactGgn.Jacobian(Model, weights);

        double[] expected = NumericalJacobian.Of(
            vec => Flatten(Model(DualMatrix.Constant(FromColumns(hidden, inputs, vec)))), ColumnStacked(weights));
        Assert.True(jacobian.RelativeError(HostMatrix.From(rows * outputs, hidden * inputs, expected)) <= 1e-9);
    }

    [Fact]
    public void Linear_layer_has_the_analytic_GGN()
    {
        const int Terms = 3;
        HostMatrix x = Uniform(Terms, 4, 4);
        HostMatrix weights = Uniform(2, 4, 5);
        HostMatrix precision = HostMatrix.From(2, 2, [2.0, 0.5, 0.5, 1.0]);

        HostMatrix ggn = ExactGgn.Sum(
            ExactGgn.Jacobian(w => DualMatrix.Constant(x).Multiply(w.Transpose()), weights),
            [precision, precision, precision]);

        var gram = new HostMatrix(4, 4);
        for (int i = 0; i < 16; i++)
        {
            for (int n = 0; n < Terms; n++)
            {
                gram[i / 4, i % 4] += x[n, i / 4] * x[n, i % 4];
            }
        }

        Assert.True(HostMatrix.Kronecker(gram, precision).RelativeError(ggn) <= 1e-14);
        Assert.True(HostMatrix.Kronecker(precision, gram).RelativeError(ggn) > 0.1, "row-stacking would go unnoticed");
        precision[0, 1] += 1e-3;
        Assert.True(HostMatrix.Kronecker(gram, precision).RelativeError(ggn) > 1e-5, "a planted error went unnoticed");
    }

    [Fact]
    public void Kronecker_product_acts_on_column_stacked_matrices()
    {
        double[] a = [1, 2, 3, 4];
        double[] b = [5, 6, 7, 8];
        double[] v = [1, -1, 2, 3];
        HostMatrix product = HostMatrix.Kronecker(HostMatrix.From(2, 2, a), HostMatrix.From(2, 2, b));
        double[] bva = Multiply2(Multiply2(b, v), [a[0], a[2], a[1], a[3]]);
        double[] vec = [v[0], v[2], v[1], v[3]];
        for (int i = 0; i < 4; i++)
        {
            double sum = 0;
            for (int j = 0; j < 4; j++)
            {
                sum += product[i, j] * vec[j];
            }

            Assert.Equal(bva[(i % 2 * 2) + (i / 2)], sum);
        }
    }

    [Fact]
    public void Softmax_Hessian_is_the_derivative_of_the_softmax()
    {
        double[] logits = [0.3, -1.2, 2.0, 1.1];
        double[] expected = NumericalJacobian.Of(Softmax, logits);
        HostMatrix actual = LossHessians.Softmax(logits);
        Assert.True(actual.RelativeError(HostMatrix.From(4, 4, expected)) <= 1e-9);
    }

    [Fact]
    public void Bernoulli_Hessian_is_the_derivative_of_the_logistic_function()
    {
        double[] logits = [0.3, -1.2, 40];
        double[] expected = NumericalJacobian.Of(f => [.. f.Select(value => 1 / (1 + Math.Exp(-value)))], logits);
        Assert.True(LossHessians.Bernoulli(logits).RelativeError(HostMatrix.From(3, 3, expected)) <= 1e-9);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        var jacobian = new HostMatrix(4, 3);
        Assert.Throws<ArgumentException>(() => ExactGgn.Sum(jacobian, [HostMatrix.Identity(3)]));
        Assert.Throws<ArgumentException>(() => ExactGgn.Sum(jacobian, [HostMatrix.Identity(3), HostMatrix.Identity(3)]));
        Assert.Throws<ArgumentException>(() => ExactGgn.Sum(jacobian, [new HostMatrix(4, 2)]));
        Assert.Throws<ArgumentException>(() => new HostMatrix(2, 2).RelativeError(new HostMatrix(2, 3)));
        Assert.Throws<ArgumentException>(() => HostMatrix.From(2, 2, [1.0, 2.0]));
        Assert.Throws<ArgumentException>(() => new DualMatrix(2, 3).Multiply(new DualMatrix(2, 3)));
    }

    [Fact]
    public void Relative_error_lets_NaN_through()
    {
        HostMatrix withNaN = HostMatrix.From(1, 2, [1.0, double.NaN]);
        Assert.True(double.IsNaN(withNaN.RelativeError(HostMatrix.From(1, 2, [1.0, 2.0]))));
    }

    private static double[] Softmax(double[] logits)
    {
        double sum = logits.Sum(Math.Exp);
        return [.. logits.Select(value => Math.Exp(value) / sum)];
    }

    private static double[] Multiply2(double[] x, double[] y) =>
    [
        (x[0] * y[0]) + (x[1] * y[2]), (x[0] * y[1]) + (x[1] * y[3]),
        (x[2] * y[0]) + (x[3] * y[2]), (x[2] * y[1]) + (x[3] * y[3]),
    ];

    private static HostMatrix Uniform(int rows, int columns, ulong seed) =>
        HostMatrix.From(rows, columns, TestData.Uniform(rows * columns, seed));

    private static double[] ColumnStacked(HostMatrix matrix) =>
        [.. Enumerable.Range(0, matrix.Rows * matrix.Columns).Select(i => matrix[i % matrix.Rows, i / matrix.Rows])];

    private static HostMatrix FromColumns(int rows, int columns, double[] vec)
    {
        var matrix = new HostMatrix(rows, columns);
        for (int i = 0; i < vec.Length; i++)
        {
            matrix[i % rows, i / rows] = vec[i];
        }

        return matrix;
    }

    private static double[] Flatten(DualMatrix matrix) =>
        [.. Enumerable.Range(0, matrix.Rows * matrix.Columns).Select(i => matrix[i / matrix.Columns, i % matrix.Columns].Value)];
}
