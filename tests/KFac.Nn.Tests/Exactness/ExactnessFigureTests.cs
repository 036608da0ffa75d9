using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class ExactnessFigureTests
{
    [Theory]
    [InlineData(ExactnessCases.ExpandFigureCase, 0, 1)]
    [InlineData(ExactnessCases.ReduceFigureCase, 1, 0)]
    public void The_figure_of_a_setting_shows_its_own_approximation_as_exact(string name, int exact, int inexact)
    {
        using Device device = TestDevice.OpenDefault();
        MatrixFigure figure = ExactnessFigure.Draw(device, ExactnessCases.Named(name), ExactnessFigure.ThesisLayer, 0);

        IReadOnlyList<MatrixPanel> errors = figure.Columns[^1];
        Assert.Equal(errors[0].WhiteAt, errors[1].WhiteAt);
        Assert.EndsWith(": exact", errors[exact].Captions[0], StringComparison.Ordinal);
        Assert.EndsWith(": not exact", errors[inexact].Captions[0], StringComparison.Ordinal);
        Assert.True(errors[exact].Matrix.LargestMagnitude() < 1e-5 * errors[inexact].Matrix.LargestMagnitude());
        Assert.Equal(["in_data", "out_grads", "A", "B", "A ⊗ B", "exact GGN", "|A ⊗ B − GGN|"], figure.Columns.Select(column => column[0].Title));
    }

    [Fact]
    public void Rows_shown_are_the_rows_that_the_factors_are_made_of()
    {
        using Device device = TestDevice.OpenDefault();
        MatrixFigure figure = ExactnessFigure.Draw(device, ExactnessCases.Named(ExactnessCases.ExpandFigureCase), 2, 0);
        for (int band = 0; band < 2; band++)
        {
            HostMatrix inData = figure.Columns[0][band].Matrix;
            HostMatrix outGrads = figure.Columns[1][band].Matrix;
            Assert.True(figure.Columns[2][band].Matrix.RelativeError(Gram(inData, 1.0 / 4)) <= 1e-6, $"A of band {band}");
            Assert.True(figure.Columns[3][band].Matrix.RelativeError(Gram(outGrads, 1)) <= 1e-6, $"B of band {band}");
        }
    }

    [Fact]
    public void Ragged_examples_are_refused()
    {
        using Device device = TestDevice.OpenDefault();
        Assert.Throws<ArgumentException>(() => ExactnessFigure.Draw(device, ExactnessCases.Named("deep-linear-ragged-expand"), 0, 0));
    }

    private static HostMatrix Gram(HostMatrix rows, double scale)
    {
        var gram = new HostMatrix(rows.Columns, rows.Columns);
        for (int i = 0; i < rows.Columns * rows.Columns * rows.Rows; i++)
        {
            (int row, int left, int right) = (i % rows.Rows, i / rows.Rows % rows.Columns, i / rows.Rows / rows.Columns);
            gram[left, right] += scale * rows[row, left] * rows[row, right];
        }

        return gram;
    }
}
